//! `recovery-sheets/<time>-<random>.json`: a recovery sheet was made, and what it stands on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::ClusterKeys;
use super::record::Recorded;
use super::sha256::Sha256Sum;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub made: Timestamp,
    /// Of what it says: with another repository or another key it is out of date.
    pub says: Sha256Sum,
    pub pgcairn: String,
}

impl Recorded for Record {
    fn directory(keys: &ClusterKeys) -> String {
        keys.recovery_sheets()
    }

    fn began(&self) -> Timestamp {
        self.made
    }
}
