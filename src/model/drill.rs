//! `drills/<time>-<random>.json`: what a drill has proven of which backup. Plain text, so it tells no names of databases
//! or tables.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deletion::{InvalidDeletion, checked};
use super::key::BackupId;

/// Version of the record that this program writes.
pub const FORMAT: u32 = super::deletion::FORMAT;

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

impl Record {
    pub fn parse(bytes: &[u8]) -> Result<Record, InvalidDeletion> {
        checked(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_a_newer_one_is_told_from_damage() {
        let record = Record {
            format: FORMAT,
            backup: Some("20261120T030000Z-full-7k3f".parse().unwrap()),
            target: "the end of all WAL".to_owned(),
            started: "2026-11-20T05:00:00Z".parse().unwrap(),
            seconds: 61.5,
            passed: true,
            recovery_seconds: Some(40.0),
            checks: vec![CheckRecord { name: "checksums".to_owned(), outcome: Outcome::NotChecked }],
            pgcairn: "0.1.0".to_owned(),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(Record::parse(text.as_bytes()).unwrap(), record);
        let newer = text.replace("\"format\":1", "\"format\":2");
        assert_eq!(Record::parse(newer.as_bytes()), Err(InvalidDeletion::TooNew(2)));
        assert!(matches!(Record::parse(b"{}"), Err(InvalidDeletion::Unreadable(_))));
    }
}
