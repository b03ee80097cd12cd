//! What the small objects beside backups have in common: one line of JSON, with the version of its format.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::key::{BackupId, ClusterKeys};

/// Version of these objects that this program writes, and the newest it reads.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    #[error("it is not readable: {0}")]
    Unreadable(String),
    #[error("it is of format {0}, this pgcairn reads up to {FORMAT}")]
    TooNew(u32),
    #[error("it belongs to backup {0}")]
    OtherBackup(BackupId),
}

/// A record of what was done with backups, among others of its kind and named by when it began.
pub trait Recorded: Serialize + DeserializeOwned {
    /// In its name, where records of another kind lie in the same directory.
    const MARK: &'static str = "";

    /// Where they lie.
    fn directory(keys: &ClusterKeys) -> String;
    fn began(&self) -> Timestamp;
}

/// One line of JSON.
pub fn to_line(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and times alone: serialising them cannot fail.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The version first, so that a newer format is told from damage.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, InvalidRecord> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let unreadable = |e: serde_json::Error| InvalidRecord::Unreadable(e.to_string());
    let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version.format > FORMAT {
        return Err(InvalidRecord::TooNew(version.format));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_one_is_told_from_damage() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Some {
            format: u32,
            text: String,
        }
        let some = Some { format: FORMAT, text: "a".to_owned() };
        assert_eq!(parse::<Some>(&to_line(&some)), Ok(some));
        assert_eq!(parse::<Some>(b"{\"format\":2}"), Err(InvalidRecord::TooNew(2)));
        assert!(matches!(parse::<Some>(b"{\"format\":1}"), Err(InvalidRecord::Unreadable(_))));
        assert!(matches!(parse::<Some>(b"{}"), Err(InvalidRecord::Unreadable(_))));
    }
}
