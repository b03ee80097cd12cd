//! What a drill has proven: the phases it took, every check with its outcome, and the rows of every table.

mod page;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{bytes, count, facts, grouped, seconds, table, utc_and_local, whole_second};
use crate::model::drill::Outcome;
use crate::model::error::Code;
use crate::model::key::BackupId;
use crate::model::lsn::Lsn;
use crate::model::recovery_log::RecoveryLog;

pub use page::page;

/// What a copy was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    Backup,
    Dump,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drill {
    pub of: Of,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub repository: String,
    pub started: Timestamp,
    pub seconds: f64,
    /// And that of the newest dump, where it was one of both.
    pub passed: bool,
    /// Left out where it did not come to a plan, and of a dump.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// The dump; left out where none was found, and of a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Loaded>,
    /// What the log of the server on the copy proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryLog>,
    pub phases: Vec<Span>,
    pub checks: Vec<Check>,
    pub databases: Vec<Database>,
    /// The object that keeps the result; left out where none could be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// Where everything stays, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<PathBuf>,
    /// How its server is started again, and entered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enter: Vec<String>,
    /// The drill that came after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_dump: Option<Box<Drill>>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restored {
    pub backup: BackupId,
    /// A string, because it has 64 bits.
    pub system_identifier: String,
    /// In words: `the end of the archive`.
    pub target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_time: Option<Timestamp>,
    pub stops_at: Lsn,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<Timestamp>,
    pub postgresql: String,
    pub data_bytes: u64,
    pub wal_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loaded {
    pub dump: BackupId,
    /// A string, because it has 64 bits.
    pub system_identifier: String,
    /// When the dump was complete.
    pub finished: Timestamp,
    /// Major of the server that was dumped.
    pub dumped_major: u32,
    /// Of the server that it was loaded into; left out before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgresql: Option<String>,
    pub databases: u64,
    pub tables: u64,
    pub rows: u64,
    /// As it was dumped, and as it is stored.
    pub data_bytes: u64,
    pub stored_bytes: u64,
}

/// From the beginning of the drill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    pub name: String,
    pub from_seconds: f64,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    pub name: String,
    pub outcome: Outcome,
    /// What was found, or why it was not looked for.
    pub details: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Database {
    pub name: String,
    pub tables: Vec<Table>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    /// Left out where they could not be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Left out with the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What the live server estimates that it has now (`pg_class.reltuples`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_rows: Option<u64>,
}

impl Check {
    pub fn has_failed(&self) -> bool {
        self.outcome == Outcome::Failed
    }
}

impl Drill {
    /// Restored and replayed: until the copy took sessions.
    pub fn recovery_seconds(&self) -> Option<f64> {
        let replayed = self.phases.iter().find(|phase| phase.name == REPLAY)?;
        Some(replayed.from_seconds + replayed.seconds)
    }

    /// Fetched, loaded and counted.
    pub fn load_seconds(&self) -> Option<f64> {
        self.phases.iter().find(|phase| phase.name == LOAD).map(|phase| phase.seconds)
    }

    /// By its own checks alone.
    pub fn holds(&self) -> bool {
        let is = |outcome| move |check: &Check| check.outcome == outcome;
        !self.checks.iter().any(is(Outcome::Failed)) && self.checks.iter().any(is(Outcome::Passed))
    }

    fn verdict(&self) -> &'static str {
        if self.holds() { "passed" } else { "failed" }
    }

    /// The phases that an incident has, and all that was looked at.
    fn took(&self) -> String {
        let has_it = |phase: &&Span| [RESTORE, REPLAY, LOAD].contains(&phase.name.as_str());
        let recovery = self.phases.iter().filter(has_it);
        let mut parts: Vec<String> =
            recovery.clone().map(|phase| format!("{} {}", phase.name, seconds(phase.seconds))).collect();
        parts.push(format!("checks {}", seconds(self.seconds - recovery.map(|phase| phase.seconds).sum::<f64>())));
        format!("{}: {}", seconds(self.seconds), parts.join(", "))
    }

    fn rows(&self) -> u64 {
        self.databases.iter().flat_map(|database| &database.tables).filter_map(|table| table.rows).sum()
    }

    fn tables(&self) -> u64 {
        self.databases.iter().map(|database| database.tables.len() as u64).sum()
    }
}

pub const RESTORE: &str = "restore";
/// The phase after which the copy takes sessions.
pub const REPLAY: &str = "replay";
/// A dump, with the count of its rows.
pub const LOAD: &str = "load";

impl Drill {
    fn lines(&self) -> String {
        let mut rows = vec![("drill", self.verdict().to_uppercase())];
        if let Some(restored) = &self.restored {
            rows.push(("backup", format!("{} in {}", restored.backup, self.repository)));
            rows.push(("target", restored.target.clone()));
            rows.extend(restored.target_time.map(|time| ("moment", utc_and_local(time))));
            rows.extend(restored.last_commit.map(|time| ("last commit", utc_and_local(time))));
            rows.push((
                "restored",
                format!("{} of data, {} of WAL", bytes(restored.data_bytes), bytes(restored.wal_bytes)),
            ));
        }
        if let Some(loaded) = &self.loaded {
            rows.push(("dump", format!("{} in {}", loaded.dump, self.repository)));
            rows.push(("of", utc_and_local(whole_second(loaded.finished))));
            let databases = count(loaded.databases, "database");
            let (data, stored) = (bytes(loaded.data_bytes), bytes(loaded.stored_bytes));
            rows.push(("has", format!("{databases}, {data}, stored as {stored}")));
        }
        if !self.databases.is_empty() {
            let databases = count(self.databases.len() as u64, "database");
            rows.push((
                "counted",
                format!("{} rows in {} of {databases}", grouped(self.rows()), count(self.tables(), "table")),
            ));
        }
        rows.push(("took", self.took()));
        rows.extend(self.kept.iter().map(|path| ("kept", path.display().to_string())));
        rows.extend(self.enter.iter().map(|command| ("", command.clone())));
        let check = |check: &Check| vec![check.outcome.words().to_owned(), check.name.clone(), check.details.clone()];
        let checks: Vec<Vec<String>> = self.checks.iter().map(check).collect();
        facts(&rows) + &table(&["outcome", "check", "found"], &checks)
    }
}

impl Report for Drill {
    const NAME: &'static str = "drill";

    fn human(&self) -> String {
        let after = self.newest_dump.iter().map(|dump| format!("\n{}", dump.lines()));
        self.lines() + &after.collect::<String>()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        (!self.passed).then_some(Code::DrillFailed)
    }
}
