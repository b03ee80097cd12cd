//! The backups of a repository.

use jiff::Timestamp;
use serde::Serialize;

use super::holds::Holds;
use super::text::{bytes, count, table, utc};
use super::{Report, signature};
use crate::model::key::BackupId;
use crate::model::lsn::Lsn;
use crate::model::signature::Standing;
use crate::model::wal_name::TimelineId;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct List {
    pub repository: String,
    /// Those that are not held were left out.
    pub held_only: bool,
    /// Ordered by cluster, then timeline and stop LSN, oldest first.
    pub backups: Vec<Row>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub id: BackupId,
    pub cluster: String,
    pub system_identifier: String,
    /// `full`, `incr`.
    pub method: String,
    pub started: Timestamp,
    pub stopped: Timestamp,
    pub timeline: TimelineId,
    pub start_lsn: Lsn,
    pub stop_lsn: Lsn,
    /// Major version of the server.
    pub postgresql: u32,
    pub data_bytes: u64,
    pub stored_bytes: u64,
    pub labels: std::collections::BTreeMap<String, String>,
    /// Pages with a wrong checksum in the live database.
    pub flagged_pages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_broken_at: Option<Lsn>,
    pub signature: Standing,
    /// Where a copy is vouched for otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_signatures: Vec<OtherSignature>,
    /// Where it lies, by name; empty where one repository is configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    #[serde(flatten)]
    pub holds: Holds,
}

/// The same backup with another second line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherSignature {
    pub repository: String,
    pub signature: Standing,
}

impl Row {
    fn remarks(&self) -> String {
        let mut remarks: Vec<String> = Vec::new();
        if self.flagged_pages > 0 {
            remarks.push(format!("DAMAGED: {}", count(self.flagged_pages, "page")));
        }
        remarks.extend((!self.repositories.is_empty()).then(|| format!("in {}", self.repositories.join(" and "))));
        let other = |other: &OtherSignature| {
            format!("signature in {}: {}", other.repository, signature::word(&other.signature))
        };
        remarks.extend(self.other_signatures.iter().map(other));
        remarks.extend(self.wal_broken_at.map(|lsn| format!("DAMAGED: WAL breaks at {lsn}")));
        remarks.extend(self.holds.words(&self.repositories));
        remarks.extend(self.labels.iter().map(|(key, value)| format!("{key}={value}")));
        remarks.join(", ")
    }
}

impl Report for List {
    const NAME: &'static str = "list";

    fn human(&self) -> String {
        if self.backups.is_empty() {
            let what = if self.held_only { "held backup" } else { "backup" };
            return format!("{} holds no {what}\n", self.repository);
        }
        let row = |row: &Row| {
            vec![
                row.id.to_string(),
                row.cluster.clone(),
                utc(row.stopped),
                row.timeline.to_string(),
                row.stop_lsn.to_string(),
                row.postgresql.to_string(),
                bytes(row.data_bytes),
                bytes(row.stored_bytes),
                signature::word(&row.signature).to_owned(),
                row.remarks(),
            ]
        };
        let rows: Vec<_> = self.backups.iter().map(row).collect();
        table(
            &["backup", "cluster", "usable from", "tli", "lsn", "pg", "data", "stored", "signed by", "remarks"],
            &rows,
        )
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
