//! What a backup is called, and the packs that it wrote.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a backup or dump, such as `20261120T030000Z-full-7k3f`: start in UTC, method, 20 random bits.
/// Only a name: order is by timeline and stop LSN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

/// Digits of the random part: 32 of them, without those that are easily taken for another.
const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ID_DIGITS: usize = 4;
const DUMP: &str = "dump";
const ID_METHODS: [&str; 3] = ["full", "incr", DUMP];

impl BackupId {
    /// `start` as `YYYYMMDDTHHMMSSZ`; the lowest 20 bits of `random` are used.
    pub fn new(start: &str, method: &str, random: u32) -> Result<BackupId, InvalidBackupId> {
        let digit = |i: usize| char::from(ID_ALPHABET[(random >> (5 * i) & 31) as usize]);
        let random: String = (0..ID_DIGITS).map(digit).collect();
        format!("{start}-{method}-{random}").parse()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn of_dump(start: &str, random: u32) -> Result<BackupId, InvalidBackupId> {
        BackupId::new(start, DUMP, random)
    }

    pub fn is_dump(&self) -> bool {
        self.0.split('-').nth(1) == Some(DUMP)
    }

    /// What a person calls it.
    pub fn noun(&self) -> &'static str {
        if self.is_dump() { "dump" } else { "backup" }
    }

    /// The time in the name, by the database server's clock; `None` where it is no time.
    pub fn started(&self) -> Option<jiff::Timestamp> {
        let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", self.0.get(..16)?).ok()?;
        Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for BackupId {
    type Err = InvalidBackupId;

    fn from_str(text: &str) -> Result<Self, InvalidBackupId> {
        let mut parts = text.split('-');
        let (start, method, random) = (parts.next(), parts.next(), parts.next());
        let ok = start.is_some_and(is_compact_time)
            && method.is_some_and(|m| ID_METHODS.contains(&m))
            && random.is_some_and(|r| r.len() == ID_DIGITS && r.bytes().all(|b| ID_ALPHABET.contains(&b)))
            && parts.next().is_none();
        if ok { Ok(BackupId(text.to_owned())) } else { Err(InvalidBackupId(text.to_owned())) }
    }
}

/// `YYYYMMDDTHHMMSSZ`
fn is_compact_time(text: &str) -> bool {
    let shape = |(i, b): (usize, u8)| match i {
        8 => b == b'T',
        15 => b == b'Z',
        _ => b.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(shape)
}

impl TryFrom<String> for BackupId {
    type Error = InvalidBackupId;
    fn try_from(text: String) -> Result<Self, InvalidBackupId> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> String {
        id.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a backup id such as 20261120T030000Z-full-7k3f")]
pub struct InvalidBackupId(String);

/// A pack: the backup that wrote it and its number there. Later backups may adopt it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackId {
    pub backup: BackupId,
    pub number: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_time() {
        let id: BackupId = "20261120T030000Z-full-7k3f".parse().unwrap();
        assert_eq!(id.started(), "2026-11-20T03:00:00Z".parse().ok());
        let none: BackupId = "20261399T030000Z-full-7k3f".parse().unwrap();
        assert_eq!(none.started(), None);
    }

    #[test]
    fn ids_are_checked() {
        for text in ["20261120T030000Z-full-7k3", "20261120T030000Z-full-7k3i", "2026-full-7k3f", "latest", "x-y-z-w"] {
            assert!(text.parse::<BackupId>().is_err(), "{text}");
        }
    }
}
