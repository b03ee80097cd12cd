//! `verifications/<time>-<random>.json`: what was read of the repository, how closely, and whether it was sound. Plain
//! text, so it tells no names of databases or tables.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{BackupId, ClusterKeys};
use super::record::Recorded;

/// How much a sound result says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Every object is the one that was stored; takes no key.
    Object,
    /// And what is in it is what was backed up.
    Content,
}

impl Proof {
    pub fn word(self) -> &'static str {
        match self {
            Proof::Object => "object",
            Proof::Content => "content",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    /// Where only this one was read; left out where all were, with all WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    pub proof: Proof,
    pub started: Timestamp,
    pub seconds: f64,
    /// Nothing is damaged and no WAL missing.
    pub passed: bool,
    /// Objects, and pages that are bad in sound ones.
    pub damaged: u64,
    /// Segments.
    pub missing_wal: u64,
    /// Stored bytes that this run read.
    pub read_bytes: u64,
    /// Of all stored bytes those that were found sound, by this run or an earlier one: 1 is all.
    pub covered: f64,
    /// Since when that was read; left out where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_since: Option<Timestamp>,
    pub pgcairn: String,
}

impl Recorded for Record {
    fn directory(keys: &ClusterKeys) -> String {
        keys.verifications()
    }

    fn began(&self) -> Timestamp {
        self.started
    }
}
