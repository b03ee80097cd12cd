//! A clock that goes on by days, for servers and for pgcairn: libfaketime, which reads from a file how far it is ahead.
//! The kernel does not know of it, so files are given its time afterwards.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Outcome;
use super::account::account;
use super::wait::wait_for;

#[derive(Debug, Clone)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    keeper: Option<Arc<Keeper>>,
}

impl Clock {
    /// `file` says how far it is ahead.
    pub fn new(file: &Path) -> Outcome<Clock> {
        let candidates =
            fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
        let library = candidates.into_iter().find(|path| path.exists());
        let library = library.ok_or("there is no libfaketime: `scripts/packages test` installs faketime")?;
        let clock = Clock { library, file: file.to_owned(), keeper: None };
        account().write(file, "+0s\n", 0o644)?;
        let keeper = Keeper::start(&clock)?;
        Ok(Clock { keeper: Some(Arc::new(keeper)), ..clock })
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
        if let Some(keeper) = &self.keeper {
            command.env("FAKETIME_SHARED", keeper.names().join(" "));
        }
    }
}

/// The library keeps a semaphore and shared memory, which whoever made them takes away when it ends: of a server every
/// backend would, and the next archive_command fails for lack of them. So one process has them that outlives all others.
#[derive(Debug)]
struct Keeper(Child);

impl Keeper {
    fn start(clock: &Clock) -> Outcome<Keeper> {
        let mut command = account().command("sleep");
        clock.set(&mut command);
        let keeper = Keeper(command.arg("infinity").stdin(Stdio::null()).spawn()?);
        let files = keeper.files();
        wait_for("libfaketime to begin", || Ok(files.iter().all(|file| file.exists()).then_some(())))?;
        Ok(keeper)
    }

    fn names(&self) -> [String; 2] {
        ["sem", "shm"].map(|kind| format!("/faketime_{kind}_{}", self.0.id()))
    }

    fn files(&self) -> [PathBuf; 2] {
        let id = self.0.id();
        [format!("/dev/shm/sem.faketime_sem_{id}"), format!("/dev/shm/faketime_shm_{id}")].map(PathBuf::from)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        for file in self.files() {
            let _ = fs::remove_file(file);
        }
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
