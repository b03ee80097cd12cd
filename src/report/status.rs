//! The state of everything.

pub mod monitored;
mod screen;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::verdict::Verdict;
use crate::model::error::Error;
use crate::model::key::BackupId;
use crate::model::verification::{Proof, Unsettled};
use crate::model::wal_name::{Segment, TimelineId};

pub use crate::model::verdict::{Behind, Slot};
pub use monitored::Monitored;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub at: Timestamp,
    /// Left out on a host without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    #[serde(flatten)]
    pub host: Host,
    /// Left out where nobody looked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_on_host: Option<Vec<KeyOnHost>>,
    pub repositories: Vec<Repository>,
    pub verdict: Verdict,
    pub next: String,
}

/// What its data directory tells, with the server up or down.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Host {
    /// Left out where the data directory cannot be looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// On the file system of pg_wal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_free_bytes: Option<u64>,
    /// What archive_command said when it failed last, where the server's log is at hand, else what `wal push` left; it
    /// may have succeeded since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_error: Option<String>,
}

/// A key that opens backups, where it should not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyOnHost {
    pub path: PathBuf,
    /// It is one of those that new backups are encrypted to.
    pub opens: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Running,
    /// It does not answer where it is configured to be.
    Unreachable,
    /// It could not be asked, or not in time.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A string, because it has 64 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby: Option<bool>,
    /// Left out where it was not asked; a standby archives what it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archiving: Option<bool>,
    /// That is being written, or replayed.
    #[serde(skip)]
    pub segment: Option<Segment>,
    /// The last one, where nothing has been archived since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archiver_failure: Option<ArchiverFailure>,
    /// Replication slots that nobody reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inactive_slots: Vec<Slot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiverFailure {
    pub segment: String,
    pub at: Timestamp,
}

/// WAL that `archive_command` has not brought away yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub files: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
}

/// What is missing was not known in time, or could not be found out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Repository {
    pub name: String,
    pub url: String,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_backups: Option<u64>,
    /// Which a restore refuses by their signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted_backups: Option<u64>,
    /// Of the cluster that made the newest backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<LastBackup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dumps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_dumps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_dump: Option<LastDump>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<LastDrill>,
    #[serde(skip)]
    pub has_dumps: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_dump_drill: Option<LastDumpDrill>,
    /// The last time that a key was shown to open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_check: Option<KeyCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_sheet: Option<RecoverySheet>,
    /// The last of everything, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_verify: Option<LastVerify>,
    /// That some verification found, and none has proven to be gone since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage_found: Option<Unsettled>,
    /// Timelines whose descent is missing or damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_timelines: Option<u64>,
    /// Which moments can be restored, by timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restorable: Option<Vec<Restorable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_unknown: Option<String>,
    /// How far back every moment shall be restorable; left out where nothing is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_window_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// The error is that it was not waited for any longer.
    #[serde(skip)]
    pub unanswered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastBackup {
    pub id: BackupId,
    /// From then on it is usable.
    pub stopped: Timestamp,
    pub age_seconds: u64,
    pub data_bytes: u64,
    pub stored_bytes: u64,
    /// Pages with a wrong checksum in the live database.
    pub flagged_pages: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastDump {
    pub id: BackupId,
    pub finished: Timestamp,
    pub age_seconds: u64,
    /// Of all streams, before compression.
    pub data_bytes: u64,
    pub stored_bytes: u64,
}

/// What a restore that was tried has proven.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastDrill {
    pub started: Timestamp,
    pub age_seconds: u64,
    pub passed: bool,
    /// Until the copy took sessions; left out where it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<f64>,
    /// Left out where it did not come to choosing one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
}

/// The same of a dump.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastDumpDrill {
    pub started: Timestamp,
    pub age_seconds: u64,
    pub passed: bool,
    /// Fetched, loaded and counted; left out where it did not come to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_seconds: Option<f64>,
    /// Left out where it did not come to choosing one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump: Option<BackupId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyCheck {
    pub checked: Timestamp,
    /// On another host, and with a key that new backups are encrypted to.
    pub counts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoverySheet {
    pub made: Timestamp,
    /// What it says is so.
    pub current: bool,
}

/// What was read of the repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastVerify {
    pub started: Timestamp,
    pub age_seconds: u64,
    pub passed: bool,
    pub proof: Proof,
    /// The share of all stored bytes that was found sound by then; 1 is all.
    pub covered: f64,
    /// Left out where it was not of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
}

/// Every moment between two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restorable {
    pub timeline: TimelineId,
    pub from: Timestamp,
    /// The latest that a restore to a time can prove to reach: just before the last commit or abort in the archive.
    /// `--to latest` goes on to the end. Left out where no commit follows the first backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Not every newer segment was looked at for a commit.
    pub at_least: bool,
    /// The oldest backup that a restore may begin with, and the newest.
    pub backup: BackupId,
    pub newest: BackupId,
    /// Since when there has been WAL after it that no recovery reaches, because some between is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hole_since: Option<Timestamp>,
    /// What the archive has of its timeline; left out where only some WAL is kept.
    #[serde(skip)]
    pub last: Option<LastSegment>,
}

/// The newest of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSegment {
    pub number: u64,
    pub stored: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stored {
    pub backup_bytes: u64,
    pub wal_bytes: u64,
    pub dump_bytes: u64,
    /// With trash and all else of the cluster.
    pub total_bytes: u64,
    /// On the repository's file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// The mean of the last week, of what is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_bytes_per_day: Option<u64>,
    /// What retention will drop within the next week, a day's share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freed_bytes_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_in_days: Option<u64>,
    /// Age of the oldest object of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_cost: Option<Cost>,
}

/// What keeping `total_bytes` for a month costs at the configured price.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    pub amount: f64,
    pub currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    pub fn of(error: &Error) -> Failure {
        Failure { code: error.code.name(), message: error.message.clone(), hint: error.hint.clone() }
    }
}

impl Server {
    pub fn unknown(error: &Error) -> Server {
        let error = Some(Failure::of(error));
        Server {
            state: State::Unknown,
            version: None,
            system_identifier: None,
            standby: None,
            archiving: None,
            segment: None,
            archiver_failure: None,
            inactive_slots: Vec::new(),
            error,
        }
    }
}

impl Repository {
    pub fn new(name: &str, url: &str, required: bool) -> Repository {
        Repository { name: name.to_owned(), url: url.to_owned(), required, ..Repository::default() }
    }

    /// Windows of the newest timeline; `None` where nothing is known.
    pub fn newest_timeline(&self) -> Option<impl Iterator<Item = &Restorable>> {
        let windows = self.restorable.as_ref()?;
        let newest = windows.iter().map(|window| window.timeline).max();
        Some(windows.iter().filter(move |window| Some(window.timeline) == newest))
    }

    /// The newest of the timeline that the server is on, or of the last one before it.
    pub fn window_of(&self, timeline: TimelineId) -> Option<&Restorable> {
        let until = self.restorable.iter().flatten().filter(|window| window.timeline <= timeline);
        until.max_by_key(|window| (window.timeline, window.from))
    }

    pub fn newest_window(&self) -> Option<&Restorable> {
        self.newest_timeline()?.max_by_key(|window| window.from)
    }

    pub fn is_behind(&self) -> bool {
        self.behind.is_some_and(|behind| behind.is_any())
    }
}

impl Status {
    /// The cluster that runs has no backup there: after an upgrade, or where the configuration leads to another one.
    pub fn has_other_backups(&self, repository: &Repository) -> bool {
        let running = self.server.as_ref().and_then(|server| server.system_identifier.as_ref());
        let backed_up = repository.system_identifier.as_ref();
        running.zip(backed_up).is_some_and(|(running, backed_up)| running != backed_up)
    }
}
