//! A clock that goes on by days, for servers and for pgcairn: libfaketime, which reads from a file how far it is ahead.
//! The kernel does not know of it, so files are given its time afterwards.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::Outcome;
use super::account::account;

#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// `file` says how far it is ahead.
    pub fn new(file: &Path) -> Outcome<Clock> {
        let candidates =
            fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
        let library = candidates.into_iter().find(|path| path.exists());
        let library = library.ok_or("there is no libfaketime: `scripts/packages test` installs faketime")?;
        let clock = Clock { library, file: file.to_owned() };
        account().write(file, "+0s\n", 0o644)?;
        Ok(clock)
    }

    /// All that live by it are there at once.
    pub fn put_ahead(&self, ahead: Duration) -> Outcome {
        let next = self.file.with_extension("next");
        account().write(&next, format!("+{}s\n", ahead.as_secs()), 0o644)?;
        Ok(fs::rename(next, &self.file)?)
    }

    pub fn set(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    }
}

/// Files that have the time of a clock already.
#[derive(Debug, Default)]
pub struct Stamped(HashSet<PathBuf>);

impl Stamped {
    /// Whatever is new below `directory` was made now.
    pub fn stamp(&mut self, directory: &Path, ahead: Duration) -> Outcome {
        let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                self.stamp(&path, ahead)?;
            } else if !self.0.contains(&path)
                && let Ok(file) = File::open(&path)
            {
                file.set_times(FileTimes::new().set_modified(SystemTime::now() + ahead))?;
                self.0.insert(path);
            }
        }
        Ok(())
    }
}
