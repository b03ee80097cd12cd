//! What `dump` made.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{bytes, count, facts, seconds, utc};
use crate::model::key::BackupId;
use crate::model::signature::PublicKey;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dump {
    pub id: BackupId,
    pub cluster: String,
    pub repositories: Vec<String>,
    pub started: Timestamp,
    pub finished: Timestamp,
    pub seconds: f64,
    pub schema_only: bool,
    pub databases: u64,
    pub tables: u64,
    pub rows: u64,
    /// Before compression.
    pub data_bytes: u64,
    pub stored_bytes: u64,
    /// `None` where this host has no key.
    pub signed_by: Option<PublicKey>,
    pub next: String,
}

impl Report for Dump {
    const NAME: &'static str = "dump";

    fn human(&self) -> String {
        let what = match self.schema_only {
            true => format!("schema alone of {}", count(self.databases, "database")),
            false => format!(
                "{}, {}, {}",
                count(self.databases, "database"),
                count(self.tables, "table"),
                count(self.rows, "row")
            ),
        };
        facts(&[
            ("dump", self.id.to_string()),
            ("cluster", self.cluster.clone()),
            ("repository", self.repositories.join(", ")),
            ("as of", format!("{}, each database by a snapshot of its own", utc(self.started))),
            ("has", what),
            ("data", bytes(self.data_bytes)),
            ("stored", bytes(self.stored_bytes)),
            ("signed by", self.signed_by.map_or("nobody".to_owned(), |key| key.to_string())),
            ("took", seconds(self.seconds)),
        ])
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
