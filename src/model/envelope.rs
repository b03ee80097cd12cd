//! What every closed object says about itself, readable without a key in its first KiB: its own name
//! and, for WAL, what `wal push` and the planner must know. An `age` header carries it as its first
//! stanza and authenticates it; without encryption a skippable zstd frame carries it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{Key, Kind};
use super::lsn::Lsn;
use super::sha256::Sha256Sum;

/// First word of the stanza; `age` ignores stanzas with names it does not know.
pub const ENVELOPE_TAG: &str = "pgcairn";

/// Second word. A reader refuses any other; fields that may be ignored can be added within a version.
pub const ENVELOPE_VERSION: &str = "1";

/// Longest JSON line in bytes, so that the stanza ends within the first KiB of an object.
pub const MAX_ENVELOPE: usize = 650;

/// What an object is. The kind is the stanza's third word, the rest its body, one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub name: Key,
    pub kind: Kind,
    /// Present exactly where `kind.is_wal()`.
    pub wal: Option<WalFacts>,
}

/// What is known about a WAL file without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalFacts {
    /// SHA-256 of the file as PostgreSQL wrote it.
    pub sha256: Sha256Sum,
    /// Its length in bytes.
    pub length: u64,
    /// Bytes of zstd frames; with the header's length they give the stored size.
    pub compressed: u64,
    /// The cluster that wrote it. A string, because jq and others read numbers as doubles.
    #[serde(with = "decimal")]
    pub system_identifier: u64,
    /// Smallest and greatest time of a commit or abort record in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_commit: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<Timestamp>,
    /// Where the chain of records breaks: nothing from here on can be replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid_from: Option<Lsn>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the envelope is of version \"{0}\", this pgcairn reads version {ENVELOPE_VERSION}")]
    Version(String),
    #[error("the envelope names the unknown kind \"{0}\"")]
    Kind(String),
    #[error("the envelope has {0} bytes, at most {MAX_ENVELOPE} are allowed")]
    TooLong(usize),
    #[error("a {} envelope {} facts about WAL", .0.name(), if .0.is_wal() { "lacks" } else { "must not hold" })]
    Facts(Kind),
    #[error("the envelope is malformed: {0}")]
    Malformed(String),
}

/// The body as it is written.
#[derive(Serialize, Deserialize)]
struct Body {
    name: Key,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wal: Option<WalFacts>,
}

impl Envelope {
    /// The envelope of an object that is not WAL.
    pub fn new(name: Key, kind: Kind) -> Envelope {
        Envelope { kind, name, wal: None }
    }

    pub fn wal(name: Key, kind: Kind, facts: WalFacts) -> Envelope {
        Envelope { kind, name, wal: Some(facts) }
    }

    /// The words after the tag: version and kind.
    pub fn words(&self) -> [&'static str; 2] {
        [ENVELOPE_VERSION, self.kind.name()]
    }

    /// The JSON line, without its end of line.
    pub fn to_json(&self) -> Result<String, EnvelopeError> {
        self.check()?;
        let body = Body { name: self.name.clone(), wal: self.wal.clone() };
        let line = serde_json::to_string(&body).map_err(malformed)?;
        if line.len() > MAX_ENVELOPE { Err(EnvelopeError::TooLong(line.len())) } else { Ok(line) }
    }

    /// Reads the words after the tag and the JSON line.
    pub fn parse(words: &[&str], json: &[u8]) -> Result<Envelope, EnvelopeError> {
        let [version, kind] = words else { return Err(malformed(format!("{} words after its tag", words.len()))) };
        if *version != ENVELOPE_VERSION {
            return Err(EnvelopeError::Version((*version).to_owned()));
        }
        let kind = Kind::from_name(kind).ok_or_else(|| EnvelopeError::Kind((*kind).to_owned()))?;
        if json.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLong(json.len()));
        }
        let Body { name, wal } = serde_json::from_slice(json).map_err(malformed)?;
        let envelope = Envelope { kind, name, wal };
        envelope.check().map(|()| envelope)
    }

    fn check(&self) -> Result<(), EnvelopeError> {
        if self.kind.is_wal() == self.wal.is_some() { Ok(()) } else { Err(EnvelopeError::Facts(self.kind)) }
    }
}

fn malformed(cause: impl fmt::Display) -> EnvelopeError {
    EnvelopeError::Malformed(cause.to_string())
}

/// A `u64` as a string of decimal digits.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("\"{text}\" is not a decimal number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::key::{ClusterKeys, ClusterName, Encryption, MAX_CLUSTER_NAME};
    use proptest::prelude::*;

    /// The longest values that can occur, and more digits than a WAL file can have bytes.
    fn longest() -> Envelope {
        let cluster = ClusterName::new("x".repeat(MAX_CLUSTER_NAME)).unwrap();
        let keys = ClusterKeys::new(&cluster, u64::MAX, Encryption::Age);
        let name = keys.wal_file(&"FFFFFFFFFFFFFFFFFFFFFFFF.FFFFFFFF.backup".parse().unwrap());
        let time = Timestamp::MAX;
        let facts = WalFacts {
            sha256: Sha256Sum([255; 32]),
            length: u64::MAX,
            compressed: u64::MAX,
            system_identifier: u64::MAX,
            first_commit: Some(time),
            last_commit: Some(time),
            invalid_from: Some(Lsn(u64::MAX)),
        };
        Envelope::wal(name, Kind::BackupHistory, facts)
    }

    #[test]
    fn the_longest_envelope_fits() {
        let line = longest().to_json().unwrap();
        assert!(line.len() < MAX_ENVELOPE, "{}", line.len());
        assert_eq!(Envelope::parse(&longest().words(), line.as_bytes()), Ok(longest()));
    }

    #[test]
    fn the_json_reads_well() {
        let facts = WalFacts {
            sha256: Sha256Sum::of(b""),
            length: 16 << 20,
            compressed: 4711,
            system_identifier: 7123,
            first_commit: Some("2026-11-20T03:00:00.000001Z".parse().unwrap()),
            last_commit: None,
            invalid_from: Some(Lsn(0x1000028)),
        };
        let envelope = Envelope::wal(Key::new("a/b").unwrap(), Kind::Wal, facts);
        let json = r#"{"name":"a/b","wal":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","length":16777216,"compressed":4711,"system_identifier":"7123","first_commit":"2026-11-20T03:00:00.000001Z","invalid_from":"0/1000028"}}"#;
        assert_eq!(envelope.to_json().unwrap(), json);
    }

    #[test]
    fn what_is_not_an_envelope_is_refused() {
        let pack = br#"{"name":"a/b"}"#;
        assert!(Envelope::parse(&["1", "pack"], pack).is_ok());
        assert!(Envelope::parse(&["1", "pack"], br#"{"name":"a/b","later":1}"#).is_ok());
        assert_eq!(Envelope::parse(&["2", "pack"], pack), Err(EnvelopeError::Version("2".into())));
        assert_eq!(Envelope::parse(&["1", "sack"], pack), Err(EnvelopeError::Kind("sack".into())));
        assert_eq!(Envelope::parse(&["1", "wal"], pack), Err(EnvelopeError::Facts(Kind::Wal)));
        let words: [&[&str]; 3] = [&[], &["1"], &["1", "pack", "x"]];
        for words in words {
            assert!(matches!(Envelope::parse(words, pack), Err(EnvelopeError::Malformed(_))), "{words:?}");
        }
        for json in [&b""[..], b"{}", br#"{"name":"../b"}"#, br#"{"name":"a"} x"#, br#"{"name":"a","name":"b"}"#] {
            assert!(matches!(Envelope::parse(&["1", "pack"], json), Err(EnvelopeError::Malformed(_))));
        }
        let long = format!("{{\"name\":\"a\"{}}}", " ".repeat(MAX_ENVELOPE));
        assert!(matches!(Envelope::parse(&["1", "pack"], long.as_bytes()), Err(EnvelopeError::TooLong(_))));
        let long = Envelope::new(Key::new("a".repeat(MAX_ENVELOPE)).unwrap(), Kind::Pack);
        assert!(matches!(long.to_json(), Err(EnvelopeError::TooLong(_))));
    }

    fn facts() -> impl Strategy<Value = WalFacts> {
        let time = || proptest::option::of(0..4_000_000_000_000_000i64);
        let at = |time: Option<i64>| time.and_then(|t| Timestamp::from_microsecond(t).ok());
        let numbers = any::<(u64, u64, u64, Option<u64>)>();
        (any::<[u8; 32]>(), numbers, time(), time()).prop_map(move |(sha256, numbers, first, last)| WalFacts {
            sha256: Sha256Sum(sha256),
            length: numbers.0,
            compressed: numbers.1,
            system_identifier: numbers.2,
            first_commit: at(first),
            last_commit: at(last),
            invalid_from: numbers.3.map(Lsn),
        })
    }

    proptest! {
        #[test]
        fn survives_a_round_trip(kind in 0..Kind::ALL.len(), name in "[a-z0-9]{1,40}(/[A-Z0-9._-]{3,40}){0,3}", facts in facts()) {
            let kind = Kind::ALL[kind];
            let envelope = Envelope { kind, name: Key::new(name).unwrap(), wal: kind.is_wal().then_some(facts) };
            let json = envelope.to_json().unwrap();
            prop_assert!(json.len() <= MAX_ENVELOPE);
            prop_assert_eq!(Envelope::parse(&envelope.words(), json.as_bytes()), Ok(envelope));
        }

        #[test]
        fn parsing_never_panics(words in proptest::collection::vec(".{0,9}", 0..4), json in proptest::collection::vec(any::<u8>(), 0..800)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = Envelope::parse(&words, &json);
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0..500usize, byte: u8) {
            let mut line = longest().to_json().unwrap().into_bytes();
            let at = at % line.len();
            line[at] = byte;
            let _ = Envelope::parse(&["1", "backup-history"], &line);
        }
    }
}
