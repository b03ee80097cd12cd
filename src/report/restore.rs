//! What a restore will do, and what it did.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::text::{bytes, count, facts, seconds, utc_and_local};
use super::{Report, signature};
use crate::model::key::BackupId;
use crate::model::lsn::Lsn;
use crate::model::recovery_log::RecoveryLog;
use crate::model::signature::Standing;
use crate::model::wal_name::TimelineId;

/// The plan; with `done` once it was carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restore {
    pub plan: Plan,
    pub done: Option<Done>,
    /// Where a server on the copy was asked for, and runs.
    pub started: Option<Started>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub repository: String,
    pub cluster: String,
    pub backup: BackupId,
    /// Of the backup; nothing signs the WAL that follows it.
    pub signature: Standing,
    /// In words: `just before transaction 731`.
    pub target: String,
    /// The moment asked for, where the target is one.
    pub target_time: Option<Timestamp>,
    /// Where recovery ends.
    pub stops_at: Lsn,
    /// The last commit that will be there, where one is.
    pub last_commit: Option<Timestamp>,
    pub timeline: TimelineId,
    /// `pause`, `promote`, `shutdown`.
    pub action: String,
    pub target_dir: PathBuf,
    pub tablespaces: Vec<Tablespace>,
    pub files: u64,
    pub data_bytes: u64,
    pub wal_segments: u64,
    pub wal_bytes: u64,
    pub bytes_needed: u64,
    pub bytes_free: u64,
    /// Lines that recovery will run with.
    pub settings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tablespace {
    pub oid: u32,
    pub was: PathBuf,
    pub becomes: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Done {
    pub seconds: f64,
    pub bytes: u64,
    pub files: u64,
}

/// A server on the copy, cut off from its origin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Started {
    pub postgresql: String,
    pub pid: u32,
    pub socket_directory: PathBuf,
    /// On 127.0.0.1, where it was asked for.
    pub port: Option<u16>,
    /// It takes writes; else it stands at its target and is read only.
    pub is_open: bool,
    pub recovery: RecoveryLog,
    pub log: PathBuf,
    /// From its start to its target.
    pub seconds: f64,
    /// Commands, as a shell takes them.
    pub connect: String,
    pub stop: String,
    pub again: String,
}

impl Report for Restore {
    const NAME: &'static str = "restore";

    fn human(&self) -> String {
        let done = self.done.as_ref().map(Done::line).unwrap_or_else(|| "nothing was written\n".to_owned());
        self.plan.text() + &done + &self.started.as_ref().map(Started::text).unwrap_or_default()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

impl Done {
    fn line(&self) -> String {
        let files = count(self.files, "file");
        format!("restored {} in {files} within {}\n", bytes(self.bytes), seconds(self.seconds))
    }
}

impl Started {
    fn text(&self) -> String {
        let state = if self.is_open { "open" } else { "at its target, read only" };
        let stop = self.recovery.stop.as_ref().map_or("all WAL was replayed", |stop| stop.words.as_str());
        let mut rows = vec![
            ("server", format!("PostgreSQL {}, process {}, {state}", self.postgresql, self.pid)),
            ("log says", stop.to_owned()),
            ("took", seconds(self.seconds)),
        ];
        rows.extend(self.port.map(|port| ("port", format!("{port} of 127.0.0.1, with the passwords of the roles"))));
        rows.push(("connect", self.connect.clone()));
        rows.push(("log", self.log.display().to_string()));
        rows.push(("stop it", self.stop.clone()));
        rows.push(("start again", self.again.clone()));
        facts(&rows)
    }
}

impl Plan {
    fn text(&self) -> String {
        let wal = format!("{} ({})", count(self.wal_segments, "segment"), bytes(self.wal_bytes));
        let mut rows = vec![
            ("backup", format!("{} of {} in {}", self.backup, self.cluster, self.repository)),
            ("signature", signature::sentence(&self.signature)),
            ("target", self.target.clone()),
        ];
        rows.extend(self.target_time.map(|time| ("moment", utc_and_local(time))));
        rows.push(("stops at", format!("{} on timeline {}, then {}", self.stops_at, self.timeline, self.action)));
        rows.extend(self.last_commit.map(|time| ("last commit", utc_and_local(time))));
        rows.push(("into", self.target_dir.display().to_string()));
        let tablespace = |t: &Tablespace| format!("{} {} -> {}", t.oid, t.was.display(), t.becomes.display());
        rows.extend(self.tablespaces.iter().map(|t| ("tablespace", tablespace(t))));
        rows.push(("data", format!("{} in {}", bytes(self.data_bytes), count(self.files, "file"))));
        rows.push(("wal", wal));
        rows.push(("space", format!("{} needed, {} free", bytes(self.bytes_needed), bytes(self.bytes_free))));
        let settings: String = self.settings.iter().map(|line| format!("    {line}\n")).collect();
        facts(&rows) + &settings
    }
}
