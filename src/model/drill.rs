//! `drills/<time>-<random>.json`: what a drill has proven of which backup; `drills/<time>-<random>-dump.json`: of which
//! dump. Plain text, so they tell no names of databases or tables.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{BackupId, ClusterKeys};
use super::record::Recorded;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    /// Left out where it did not come to choosing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    /// In words, as in `restore --plan`.
    pub target: String,
    pub started: Timestamp,
    pub seconds: f64,
    pub passed: bool,
    /// Until the copy took sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_seconds: Option<f64>,
    pub checks: Vec<CheckRecord>,
    pub pgcairn: String,
}

/// Of a dump.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DumpRecord {
    pub format: u32,
    /// Left out where it did not come to choosing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump: Option<BackupId>,
    pub started: Timestamp,
    pub seconds: f64,
    pub passed: bool,
    /// Fetched, loaded and counted; left out where it did not come to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_seconds: Option<f64>,
    /// Of the dump, as its marker has it, and left out with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
    pub checks: Vec<CheckRecord>,
    pub pgcairn: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    pub name: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Passed,
    Failed,
    NotChecked,
}

impl Outcome {
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::NotChecked => "not checked",
        }
    }
}

impl Recorded for Record {
    fn directory(keys: &ClusterKeys) -> String {
        keys.drills()
    }

    fn began(&self) -> Timestamp {
        self.started
    }
}

impl Recorded for DumpRecord {
    const MARK: &'static str = "-dump";

    fn directory(keys: &ClusterKeys) -> String {
        keys.drills()
    }

    fn began(&self) -> Timestamp {
        self.started
    }
}
