//! What a verdict is made of; some of it is shown as it is. Ages are in seconds; what is not known is `None` and never counts as wrong by itself.

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `None` on a host without one.
    pub server: Option<ServerState>,
    /// WAL that `archive_command` has not brought away; `None` where none waits.
    pub waiting: Option<Waiting>,
    /// The server is a primary and archives nothing at all.
    pub archiving_off: bool,
    /// The file it failed for last, with no success since.
    pub archiver_failed: Option<String>,
    /// Replication slots that nobody reads.
    pub slots: Vec<Slot>,
    /// Commands whose last run has failed, as they were called.
    pub failed_runs: Vec<String>,
    /// Backups are made here, and are encrypted.
    pub needs_key: bool,
    /// Of a server whose data directory is elsewhere there are only dumps.
    pub dumps_only: bool,
    /// Dumps are configured.
    pub makes_dumps: bool,
    /// The one that backups are made into first.
    pub repositories: Vec<Repository>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    Running,
    Unreachable,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub files: u64,
    /// How long the oldest has waited.
    pub seconds: u64,
}

/// A replication slot that nobody reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    pub name: String,
    /// WAL that the server keeps for it.
    pub held_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    pub name: String,
    pub url: String,
    pub required: bool,
    /// What its catalog tells; `None` where that is not known.
    pub told: Option<Told>,
    /// Why something of it is not known.
    pub missing: Option<Missing>,
    pub stored_bytes: Option<u64>,
    pub free_bytes: Option<u64>,
    pub full_in_days: Option<u64>,
    pub behind: Option<Behind>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// It was not waited for any longer.
    Unanswered,
    Failed(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    pub backups: u64,
    /// Age of the newest.
    pub backup_seconds: Option<u64>,
    /// Of dumps.
    pub dumps: u64,
    pub dump_seconds: Option<u64>,
    pub unreadable_dumps: u64,
    pub unreadable: u64,
    pub untrusted: u64,
    /// Of the newest backup.
    pub flagged_pages: u64,
    /// The newest backup is not of the cluster that runs.
    pub is_of_another_cluster: bool,
    /// In which every moment can be restored, of the newest timeline.
    pub windows: u64,
    /// For how long a segment after the newest of them has been there, and one before it not.
    pub hole_seconds: Option<u64>,
    /// Segments that the server has filled, and that neither came nor wait to be archived.
    pub wal_missing: Option<WalMissing>,
    /// Timelines whose descent cannot be read, or has no history file.
    pub lost_timelines: u64,
    /// How far back the newest of them reaches.
    pub window_seconds: Option<u64>,
    /// How far back it shall.
    pub promised_seconds: Option<u64>,
    /// Age of the oldest object.
    pub oldest_seconds: Option<u64>,
    /// The last one.
    pub drill: Option<Try>,
    pub has_dumps: bool,
    /// The last one of a dump.
    pub dump_drill: Option<Try>,
    /// Found by a verification, and not proven to be gone since.
    pub damage: Option<Damage>,
    /// A key that opens new backups was tried on another host.
    pub key_checked: bool,
    /// A recovery sheet was made, and whether it says what is so.
    pub sheet_is_current: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Since it was found.
    pub seconds: u64,
    /// Who has none does not see it.
    pub needs_key: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalMissing {
    pub files: u64,
    /// Since the last one came.
    pub seconds: u64,
}

/// A drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    pub seconds: u64,
    pub passed: bool,
}

/// What `copy --all` would bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Behind {
    pub backups: u64,
    pub wal_files: u64,
    /// For how long the oldest of it has been elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Behind {
    pub fn is_any(&self) -> bool {
        self.backups > 0 || self.wal_files > 0
    }
}
