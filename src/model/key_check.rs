//! `key-checks/<time>-<random>.json`: somebody has shown that a key opens the backups.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{BackupId, ClusterKeys};
use super::record::Recorded;
use super::sha256::Sha256Sum;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub checked: Timestamp,
    /// Public halves of the keys that open the backup.
    pub recipients: Vec<String>,
    /// The one that was read.
    pub backup: BackupId,
    /// By which one tells whether it was this host, and no more than that.
    pub host: Sha256Sum,
    pub pgcairn: String,
}

impl Recorded for Record {
    fn directory(keys: &ClusterKeys) -> String {
        keys.key_checks()
    }

    fn began(&self) -> Timestamp {
        self.checked
    }
}

impl Record {
    /// With a key that new backups are encrypted to, and not on the host that makes them.
    pub fn counts(&self, recipients: &[String], host: &Sha256Sum) -> bool {
        self.host != *host && self.recipients.iter().any(|recipient| recipients.contains(recipient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record;

    #[test]
    fn a_key_of_today_counts_on_another_host() {
        let record = Record {
            format: record::FORMAT,
            checked: "2026-11-20T05:00:00Z".parse().unwrap(),
            recipients: vec!["a".to_owned(), "b".to_owned()],
            backup: "20261120T030000Z-full-7k3f".parse().unwrap(),
            host: Sha256Sum([1; 32]),
            pgcairn: "0.1.0".to_owned(),
        };
        let (here, there) = (Sha256Sum([1; 32]), Sha256Sum([2; 32]));
        assert!(record.counts(&["b".to_owned(), "c".to_owned()], &there));
        assert!(!record.counts(&["b".to_owned()], &here), "the key must not need the host");
        assert!(!record.counts(&["c".to_owned()], &there), "another key is in use");
    }
}
