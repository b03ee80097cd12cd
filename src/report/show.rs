//! One backup in full.

use serde::Serialize;

use super::backup::{FlaggedPage, broken_wal, flagged_pages};
use super::list::Row;
use super::text::{bytes, count, facts, utc_and_local};
use super::{Report, signature};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Show {
    pub repository: String,
    #[serde(flatten)]
    pub backup: Row,
    pub postgresql_version: u32,
    pub wal_segment_size: u64,
    pub block_size: u32,
    pub data_checksums: bool,
    pub standby: bool,
    pub files: u64,
    pub directories: u64,
    pub packs: u32,
    pub flagged: Vec<FlaggedPage>,
    pub recipients: Vec<String>,
    pub architecture: String,
    /// As the server describes itself.
    pub server_version: String,
    /// Version that wrote it.
    pub pgcairn: String,
    pub next: String,
}

impl Report for Show {
    const NAME: &'static str = "show";

    fn human(&self) -> String {
        let row = &self.backup;
        let version = self.postgresql_version;
        let checksums = if self.data_checksums { "with checksums" } else { "without checksums" };
        let server = format!("{}.{} {checksums}, {}", version / 10_000, version % 10_000, self.architecture);
        let keys = if self.recipients.is_empty() { "NONE".to_owned() } else { self.recipients.join(", ") };
        let mut rows = vec![
            ("backup", row.id.to_string()),
            ("cluster", format!("{} ({})", row.cluster, row.system_identifier)),
            ("repository", self.repository.clone()),
            ("method", format!("{}{}", row.method, if self.standby { ", taken on a standby" } else { "" })),
            ("started", utc_and_local(row.started)),
            ("usable from", utc_and_local(row.stopped)),
            ("wal", format!("{} to {} on timeline {}", row.start_lsn, row.stop_lsn, row.timeline)),
            ("postgresql", server),
            ("segments", format!("{}, pages of {} bytes", bytes(self.wal_segment_size), self.block_size)),
            ("data", format!("{} in {}", bytes(row.data_bytes), count(self.files, "file"))),
            ("stored", format!("{} in {}", bytes(row.stored_bytes), count(self.packs.into(), "pack"))),
            ("encrypted to", keys),
            ("signature", signature::sentence(&row.signature)),
            ("written by", format!("pgcairn {}", self.pgcairn)),
        ];
        if !row.repositories.is_empty() {
            rows.insert(3, ("in", row.repositories.join(" and ")));
        }
        rows.extend(row.holds.first(&row.repositories).map(|words| ("expiry", words)));
        rows.extend(row.labels.iter().map(|(key, value)| ("label", format!("{key}={value}"))));
        facts(&rows) + &flagged_pages(row.flagged_pages, &self.flagged) + &broken_wal(row.wal_broken_at)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
