//! `recovery-sheets/<time>-<random>.json`: a recovery sheet was made, and what it stands on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deletion::{InvalidDeletion, checked};
use super::sha256::Sha256Sum;

/// Version of the record that this program writes.
pub const FORMAT: u32 = super::deletion::FORMAT;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub made: Timestamp,
    /// Of what it says: with another repository or another key it is out of date.
    pub says: Sha256Sum,
    pub pgcairn: String,
}

impl Record {
    pub fn parse(bytes: &[u8]) -> Result<Record, InvalidDeletion> {
        checked(bytes)
    }
}
