//! How the last run of each command ended: a small file on this host, by which a failure is told once, and which is a
//! part of the metrics. Nothing else depends on it, and whoever removes it is told once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::state_directory;
use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::sink::{Durability, PRIVATE, replace};

/// Of the files, after the cluster's name.
const FILE: &str = "last-runs.json";
const LOCK: &str = "last-runs.lock";

/// Most that are remembered; beyond it the one that ran longest ago goes.
const MAX_RUNS: usize = 32;
/// Longest file that is read.
const MAX_FILE: u64 = 256 << 10;

/// Another command holds the lock while it writes one small file.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// By what was called: `backup`, `expire --repository offsite`.
    runs: BTreeMap<String, LastRun>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    pub ended: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Where it failed, since when, and how often without a success in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    #[serde(default)]
    pub failures: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<Timestamp>,
    /// Who knows that it fails.
    #[serde(default)]
    pub told: BTreeSet<String>,
    /// Which run of its unit it was, where systemd started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
}

impl LastRun {
    /// The next one, after what was there.
    pub fn after(before: Option<&LastRun>, ended: Timestamp, seconds: Option<f64>, failed: bool) -> LastRun {
        let earlier = before.cloned();
        let failing = earlier.as_ref().filter(|_| failed);
        LastRun {
            ended,
            seconds,
            failing_since: failed.then(|| failing.and_then(|run| run.failing_since).unwrap_or(ended)),
            failures: if failed { failing.map_or(0, |run| run.failures) + 1 } else { 0 },
            succeeded: if failed { earlier.as_ref().and_then(|run| run.succeeded) } else { Some(ended) },
            told: earlier.map(|run| run.told).unwrap_or_default(),
            invocation: None,
        }
    }
}

/// Of one cluster.
pub struct LastRuns {
    file: PathBuf,
    lock: PathBuf,
    /// Somebody is told by them. Else nobody misses what cannot be remembered, and hears of it.
    are_missed: bool,
}

impl LastRuns {
    pub fn of(config: &Config) -> LastRuns {
        let path = |name| state_directory::file(config, name);
        LastRuns { file: path(FILE), lock: path(LOCK), are_missed: config.tells_of_runs() }
    }

    /// How one ended; nothing is known where nothing was written.
    pub fn last(&self, run: &str) -> Result<Option<LastRun>> {
        self.all().map(|mut all| all.remove(run))
    }

    /// How all of them ended.
    pub fn all(&self) -> Result<BTreeMap<String, LastRun>> {
        let read = self.text().and_then(|text| text.map_or_else(|| Ok(Content::default()), |text| self.parse(&text)));
        self.heard(read.map(|content| content.runs))
    }

    fn heard<T: Default>(&self, done: Result<T>) -> Result<T> {
        if self.are_missed { done } else { Ok(done.unwrap_or_default()) }
    }

    fn text(&self) -> Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        match File::open(&self.file).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text)) {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &self.file, &error)),
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Content> {
        serde_json::from_slice(text).map_err(|error| {
            Error::new(Code::Io, format!("{} is damaged: {error}", self.file.display()))
                .hint("it is written anew; what people know of failures is forgotten, so they may be told again")
        })
    }

    /// Writes down how one ended. What another command writes meanwhile stays; what is damaged
    /// goes, and what cannot be read now is not lost for that.
    pub fn remember(&self, run: &str, last: LastRun) -> Result<()> {
        self.heard(self.write(run, last))
    }

    fn write(&self, run: &str, last: LastRun) -> Result<()> {
        let directory = self.directory();
        state_directory::make(directory).map_err(|error| self.failed("create", directory, &error))?;
        let _held = self.lock()?;
        let mut all = self.text()?.and_then(|text| self.parse(&text).ok()).unwrap_or_default();
        all.version = VERSION;
        all.runs.insert(run.to_owned(), last);
        while all.runs.len() > MAX_RUNS {
            let Some(oldest) = all.runs.iter().min_by_key(|(_, run)| run.ended).map(|(name, _)| name.clone()) else {
                break;
            };
            all.runs.remove(&oldest);
        }
        let text = serde_json::to_vec(&all).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        let written = replace(&self.file, &text, PRIVATE, Durability::Later);
        written.map_err(|error| self.failed("write", &self.file, &error.source))
    }

    fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(&self.file)
    }

    fn lock(&self) -> Result<File> {
        let path = &self.lock;
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(PRIVATE).open(path);
        let file = opened.map_err(|error| self.failed("create", path, &error))?;
        for _ in 0..LOCK_ATTEMPTS {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
                Err(error) => return Err(self.failed("lock", path, &error.into())),
                Ok(()) => return Ok(file),
            }
        }
        Err(self.failed("lock", path, &ErrorKind::WouldBlock.into()))
    }

    fn failed(&self, action: &str, path: &Path, error: &io::Error) -> Error {
        let message = format!("how this run ended is not remembered: cannot {action} {}: {error}", path.display());
        Error::new(Code::Io, message).hint(state_directory::hint(self.directory()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(directory: &Path) -> LastRuns {
        let path = |name| directory.join("new/state").join(name);
        LastRuns { file: path(FILE), lock: path(LOCK), are_missed: true }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn failures_are_counted_from_the_first_on() {
        let first = LastRun::after(None, at(1), Some(1.0), false);
        let failed = LastRun {
            told: BTreeSet::from(["webhook".to_owned()]),
            ..LastRun::after(Some(&first), at(2), Some(1.0), true)
        };
        let again = LastRun::after(Some(&failed), at(3), Some(1.0), true);
        assert_eq!((again.failing_since, again.failures, again.succeeded), (Some(at(2)), 2, Some(at(1))));
        assert!(again.told.contains("webhook"));
        let recovered = LastRun::after(Some(&again), at(4), Some(1.0), false);
        assert_eq!((recovered.failing_since, recovered.failures, recovered.succeeded), (None, 0, Some(at(4))));
        assert_eq!(LastRun::after(None, at(2), Some(1.0), true).failing_since, Some(at(2)));
    }

    #[test]
    fn what_is_remembered_is_found_again_and_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let runs = of(directory.path());
        assert_eq!(runs.last("backup").unwrap(), None);
        for second in 0..=MAX_RUNS as i64 {
            let run = LastRun::after(None, at(second), Some(0.5), second % 2 == 1);
            runs.remember(&format!("verify {second}"), run.clone()).unwrap();
            assert_eq!(runs.last(&format!("verify {second}")).unwrap(), Some(run));
        }
        assert_eq!(runs.last("verify 0").unwrap(), None);
        assert!(runs.last("verify 1").unwrap().is_some());
    }

    #[test]
    fn a_damaged_file_is_told_of_and_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let runs = of(directory.path());
        let run = LastRun::after(None, at(1), Some(0.5), false);
        runs.remember("backup", run.clone()).unwrap();
        std::fs::write(&runs.file, "{").unwrap();
        assert!(runs.last("backup").unwrap_err().message.contains("is damaged"));
        runs.remember("backup", run.clone()).unwrap();
        assert_eq!(runs.last("backup").unwrap(), Some(run));
    }

    #[test]
    fn commands_that_end_together_keep_what_the_others_wrote() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let runs = of(directory.path());
                scope.spawn(move || {
                    runs.remember(&format!("copy {number}"), LastRun::after(None, at(1), Some(0.5), false)).unwrap()
                });
            }
        });
        assert_eq!(of(directory.path()).all().unwrap().len(), 8);
    }

    #[test]
    fn where_nobody_misses_them_nobody_hears_that_they_are_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("new"), "a file").unwrap();
        for are_missed in [true, false] {
            let runs = LastRuns { are_missed, ..of(directory.path()) };
            let remembered = runs.remember("backup", LastRun::after(None, at(1), None, true));
            assert_eq!([remembered.is_err(), runs.all().is_err()], [are_missed; 2]);
        }
    }
}
