//! What `expire` dropped or would drop: every backup with its verdict and the rule that decided.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{bytes, count, plain, table, utc, utc_and_local};
use crate::model::catalog::Summary;
use crate::model::dump;
use crate::model::error::Code;
use crate::model::key::BackupId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    DryRun,
    WithGrace,
    AtOnce,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expire {
    pub repository: String,
    pub manner: Manner,
    /// `[retention]` is configured; without it everything is kept.
    pub retention: bool,
    /// `[dump.retention]` is; without it every dump is kept.
    pub dump_retention: bool,
    /// By system identifier, oldest first.
    pub backups: Vec<Row>,
    pub dropped: u64,
    /// By system identifier, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dumps: Vec<DumpRow>,
    pub dropped_dumps: u64,
    /// Backups and dumps that objects are missing of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<BackupId>,
    /// Dropped here, while another repository was still to get them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted_elsewhere: Vec<BackupId>,
    /// Which is refused without `--yes`.
    pub more_than_half: bool,
    /// Gone now; in a dry run what would go at once.
    pub freed_bytes: u64,
    pub freed_wal_files: u64,
    /// Goes after the grace time that begins now.
    pub condemned_bytes: u64,
    pub condemned_wal_files: u64,
    pub grace_days: u64,
    /// `keep` is configured: between two backups there is no WAL.
    pub only_backups: bool,
    /// From here on every moment can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_from: Option<Timestamp>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub id: BackupId,
    pub cluster: String,
    pub system_identifier: String,
    pub stopped: Timestamp,
    pub stored_bytes: u64,
    pub kept: bool,
    /// The rule that decided.
    pub rule: String,
}

impl Row {
    pub fn new(summary: &Summary, kept: bool, rule: String) -> Row {
        Row {
            id: summary.id.clone(),
            cluster: summary.cluster.to_string(),
            system_identifier: summary.system_identifier.to_string(),
            stopped: summary.stopped,
            stored_bytes: summary.totals.stored_bytes,
            kept,
            rule,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DumpRow {
    pub id: BackupId,
    pub cluster: String,
    pub system_identifier: String,
    pub finished: Timestamp,
    pub stored_bytes: u64,
    pub kept: bool,
    /// The rule that decided.
    pub rule: String,
}

impl DumpRow {
    pub fn new(summary: &dump::Summary, kept: bool, rule: String) -> DumpRow {
        DumpRow {
            id: summary.id.clone(),
            cluster: summary.cluster.to_string(),
            system_identifier: summary.system_identifier.to_string(),
            finished: summary.finished,
            stored_bytes: summary.totals.stored_bytes,
            kept,
            rule,
        }
    }
}

fn verdict(kept: bool) -> String {
    if kept { "keep" } else { "drop" }.to_owned()
}

impl Report for Expire {
    const NAME: &'static str = "expire";

    fn human(&self) -> String {
        let row = |row: &Row| {
            vec![row.id.to_string(), utc(row.stopped), bytes(row.stored_bytes), verdict(row.kept), row.rule.clone()]
        };
        let rows: Vec<_> = self.backups.iter().map(row).collect();
        let table = match rows.is_empty() {
            true => format!("{} holds no backup\n", self.repository),
            false => table(&["backup", "usable from", "stored", "verdict", "rule"], &rows),
        };
        table + &self.dumps() + &self.sum()
    }

    fn flaw(&self) -> Option<Code> {
        (!self.lacking.is_empty() || !self.wanted_elsewhere.is_empty()).then_some(Code::Flagged)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

impl Expire {
    fn dumps(&self) -> String {
        let row = |row: &DumpRow| {
            vec![row.id.to_string(), utc(row.finished), bytes(row.stored_bytes), verdict(row.kept), plain(&row.rule)]
        };
        let rows: Vec<_> = self.dumps.iter().map(row).collect();
        match rows.is_empty() {
            true => String::new(),
            false => format!("\n{}\n", table(&["dump", "finished", "stored", "verdict", "rule"], &rows)),
        }
    }

    fn sum(&self) -> String {
        if !self.retention && !self.dump_retention {
            return "nothing expires: the configuration has no [retention]\n".to_owned();
        }
        let backups = match (self.retention, self.dumps.is_empty()) {
            (true, true) => count(self.dropped, "backup"),
            (true, false) => format!("{} and {}", count(self.dropped, "backup"), count(self.dropped_dumps, "dump")),
            (false, _) => count(self.dropped_dumps, "dump"),
        };
        let with = |size, wal_files| match wal_files {
            0 => bytes(size),
            some => format!("{} with {}", bytes(size), count(some, "WAL file")),
        };
        let freed = with(self.freed_bytes, self.freed_wal_files);
        let condemned = with(self.condemned_bytes, self.condemned_wal_files);
        let days = self.grace_days;
        let sum = match (self.manner, self.freed_bytes > 0 && self.condemned_bytes == 0) {
            (Manner::DryRun, true) => format!("would drop {backups}; {freed} would be free at once\n"),
            (Manner::DryRun, false) => {
                format!("would drop {backups}; {freed} would be free at once, {condemned} after {days} days\n")
            }
            (Manner::AtOnce, _) => format!("deleted {backups}; {freed} are free\n"),
            (Manner::WithGrace, _) => {
                format!("dropped {backups}; {freed} are free, {condemned} will be after {days} days\n")
            }
        };
        match self.window_from {
            _ if !self.retention => sum,
            _ if self.only_backups => {
                sum + "the end of each backup that stays can be restored, and no moment after it\n"
            }
            Some(from) => {
                format!("{sum}every moment from {} to the end of the WAL there can be restored\n", utc_and_local(from))
            }
            None => sum + "no moment after a backup can be restored: WAL is missing\n",
        }
    }
}
