//! What `backup` made.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::copy::Brought;
use super::text::{bytes, count, facts, seconds, utc};
use crate::model::error::Code;
use crate::model::key::BackupId;
use crate::model::lsn::Lsn;
use crate::model::signature::PublicKey;
use crate::model::wal_name::TimelineId;

/// How many flagged pages a person is shown; `--json` has them all.
const PAGES_SHOWN: usize = 10;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backup {
    pub id: BackupId,
    pub cluster: String,
    pub repository: String,
    pub timeline: TimelineId,
    pub start_lsn: Lsn,
    pub stop_lsn: Lsn,
    pub started: Timestamp,
    pub stopped: Timestamp,
    pub seconds: f64,
    /// Of them, while files were copied.
    pub copy_seconds: f64,
    pub files: u64,
    pub data_bytes: u64,
    pub stored_bytes: u64,
    /// Tolerated, because WAL repairs it.
    pub vanished_files: u64,
    pub shrunk_files: u64,
    /// Left out: links and special files that no data directory has.
    pub skipped_files: u64,
    /// Pages whose checksum was wrong in the live database.
    pub flagged_pages: u64,
    /// The first of them.
    pub flagged: Vec<FlaggedPage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_broken_at: Option<Lsn>,
    /// `None` where this host has no key.
    pub signed_by: Option<PublicKey>,
    /// The other repositories that must have it too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Brought>,
    pub next: String,
}

/// A page by the names of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlaggedPage {
    /// `database schema.table` where the server could name it, else the path.
    pub relation: String,
    pub path: String,
    pub block: u64,
}

impl Report for Backup {
    const NAME: &'static str = "backup";

    fn human(&self) -> String {
        let tolerated =
            [(self.vanished_files, "vanished"), (self.shrunk_files, "shrunk"), (self.skipped_files, "skipped")];
        let tolerated: Vec<String> =
            tolerated.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n, "file"))).collect();
        let mut rows = vec![
            ("backup", self.id.to_string()),
            ("cluster", self.cluster.clone()),
            ("repository", self.repository.clone()),
            ("usable from", format!("{} ({} on timeline {})", utc(self.stopped), self.stop_lsn, self.timeline)),
            ("data", format!("{} in {}", bytes(self.data_bytes), count(self.files, "file"))),
            ("stored", bytes(self.stored_bytes)),
            ("signed by", self.signed_by.map_or("nobody".to_owned(), |key| key.to_string())),
            ("took", seconds(self.seconds)),
        ];
        if !tolerated.is_empty() {
            rows.push(("tolerated", tolerated.join(", ")));
        }
        let copies: String = self.copies.iter().map(Brought::line).collect();
        facts(&rows) + &copies + &flagged_pages(self.flagged_pages, &self.flagged) + &broken_wal(self.wal_broken_at)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        let incomplete = self.copies.iter().any(Brought::is_incomplete);
        (self.flagged_pages > 0 || self.wal_broken_at.is_some() || incomplete).then_some(Code::Flagged)
    }
}

pub(super) fn flagged_pages(number: u64, first: &[FlaggedPage]) -> String {
    if number == 0 {
        return String::new();
    }
    let mut text = format!("DAMAGED in the live database: {} with a wrong checksum\n", count(number, "page"));
    for page in first.iter().take(PAGES_SHOWN) {
        text += &format!("  {} block {} ({})\n", page.relation, page.block, page.path);
    }
    let hidden = number.saturating_sub(first.len().min(PAGES_SHOWN) as u64);
    if hidden > 0 { text + &format!("  and {hidden} more\n") } else { text }
}

pub(super) fn broken_wal(at: Option<Lsn>) -> String {
    at.map(|lsn| format!("DAMAGED: the WAL of this backup breaks at {lsn}; a recovery cannot pass it\n"))
        .unwrap_or_default()
}
