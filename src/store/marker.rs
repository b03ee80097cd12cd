//! `pgcairn.json`: what makes a place a repository.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use crate::model::key::Encryption;

/// The format written, and the newest that is read.
pub const FORMAT: u32 = 1;

/// Longest marker in bytes.
pub(super) const MAX_MARKER: u64 = 64 << 10;

/// One JSON object. Fields that this release does not know are ignored: what an older reader must not
/// ignore raises `minimum_reader`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    pub format: u32,
    /// Oldest format a reader must know.
    pub minimum_reader: u32,
    /// 128 random bits as 32 hexadecimal digits.
    pub repository_id: String,
    /// For the repository's whole life; the suffixes of keys follow from it.
    pub encryption: Encryption,
    pub created: Timestamp,
}

/// The part that every release can read.
#[derive(Deserialize)]
struct Version {
    minimum_reader: u32,
}

impl Marker {
    /// A new repository's marker.
    pub(super) fn new(encryption: Encryption) -> Marker {
        let repository_id = format!("{:032x}", rand::random::<u128>());
        let now = Timestamp::now();
        let created = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Marker { format: FORMAT, minimum_reader: FORMAT, repository_id, encryption, created }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec(self).map_err(|e| unreadable("a new repository", e.to_string()))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads the marker of the repository at `url`.
    pub(super) fn parse(json: &[u8], url: &str) -> Result<Marker> {
        if json.len() as u64 > MAX_MARKER {
            return Err(unreadable(url, format!("it is longer than {MAX_MARKER} bytes")));
        }
        let version: Version = serde_json::from_slice(json).map_err(|e| unreadable(url, e.to_string()))?;
        if version.minimum_reader > FORMAT {
            return Err(Error::TooNew { url: url.to_owned(), found: version.minimum_reader, supported: FORMAT });
        }
        let marker: Marker = serde_json::from_slice(json).map_err(|e| unreadable(url, e.to_string()))?;
        let id = &marker.repository_id;
        if id.len() != 32 || !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(unreadable(url, format!("its repository id is \"{id}\", not 32 hexadecimal digits")));
        }
        Ok(marker)
    }
}

fn unreadable(url: &str, reason: String) -> Error {
    Error::Marker { url: url.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(minimum_reader: &str, rest: &str) -> String {
        format!(r#"{{"format":9,"minimum_reader":{minimum_reader},{rest}}}"#)
    }

    const REST: &str =
        r#""repository_id":"0123456789abcdef0123456789abcdef","encryption":"age","created":"2026-11-20T03:00:00Z""#;

    #[test]
    fn a_marker_survives_a_round_trip() {
        let marker = Marker::new(Encryption::Age);
        assert_eq!(Marker::parse(&marker.to_json().unwrap(), "u").unwrap(), marker);
        assert_ne!(Marker::new(Encryption::Age).repository_id, marker.repository_id);
    }

    #[test]
    fn the_minimum_reader_decides() {
        let later = format!(r#"{REST},"later":true"#);
        assert_eq!(Marker::parse(json("1", &later).as_bytes(), "u").unwrap().format, 9);
        let newer = Marker::parse(json("2", r#""all":"new""#).as_bytes(), "u");
        assert!(matches!(newer, Err(Error::TooNew { found: 2, supported: 1, .. })));
    }

    #[test]
    fn what_is_no_marker_is_refused() {
        let short = REST.replace("0123456789abcdef0", "");
        let long = format!("{}{}", json("1", REST), " ".repeat(MAX_MARKER as usize));
        for text in ["", "{}", "null", "[1]", &json("1", &short), &json("1", r#""encryption":"rot13""#), &long] {
            assert!(matches!(Marker::parse(text.as_bytes(), "u"), Err(Error::Marker { .. })), "{text:.100}");
        }
    }
}
