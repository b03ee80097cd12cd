//! The commit marker of a backup, `backups/<id>.json`: one line of summary, one line that vouches for it.
//! It is plaintext, so it holds no file names beyond the numbers of flagged relations.

mod commit_marker;
pub(super) mod sealed;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{BackupId, ClusterName, Key};
use super::lsn::Lsn;
use super::sha256::Sha256Sum;
use super::wal_name::TimelineId;

pub use commit_marker::{CommitMarker, format_commit_marker, parse_commit_marker};

/// Version of `backups/<id>.json` that this program writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// Largest commit marker; a listing stays cheap.
pub const MAX_COMMIT_MARKER: usize = 64 * 1024;

/// Most flagged pages that a summary names; the count beyond goes on.
pub const MAX_FLAGGED_PAGES: usize = 500;

/// Most labels of one backup. Together these bounds keep every commit marker below its own.
pub const MAX_LABELS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("the commit marker is not readable: {0}")]
    Unreadable(String),
    #[error("the commit marker holds {0} bytes, more than {MAX_COMMIT_MARKER}")]
    TooLarge(usize),
    #[error("the backup needs a reader of format {needed}, this one reads {FORMAT}")]
    TooNew { needed: u32 },
    #[error("the summary in the commit marker has SHA-256 {found}, not {recorded}")]
    Damaged { recorded: Sha256Sum, found: Sha256Sum },
    #[error("the commit marker belongs to {0}")]
    OtherBackup(Key),
}

/// What a listing tells of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub format: u32,
    /// Smallest format that a reader must know to restore this backup.
    pub minimum_reader: u32,
    pub id: BackupId,
    pub cluster: ClusterName,
    #[serde(with = "u64_string")]
    pub system_identifier: u64,
    pub method: Method,
    /// Labels of the user, `--label K=V`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub postgresql: ServerFacts,
    pub timeline: TimelineId,
    /// Redo location of the checkpoint that replay begins at.
    pub start_lsn: Lsn,
    /// Replay must pass this location before the copy is consistent.
    pub stop_lsn: Lsn,
    /// By the database server's clock.
    pub started: Timestamp,
    pub stopped: Timestamp,
    /// The server was in recovery.
    pub standby: bool,
    /// How many manifest parts, numbered from 1, and as many digest parts.
    pub parts: u32,
    pub objects: ObjectsDigest,
    pub totals: Totals,
    pub tolerated: Tolerated,
    /// Pages that failed their checksum in the live database.
    pub flagged: Flagged,
    /// Where the WAL of this backup breaks its chain of records, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_broken_at: Option<Lsn>,
    pub environment: Environment,
    /// Public keys that the objects are encrypted to.
    pub recipients: Vec<String>,
    /// Version of the program that wrote the backup.
    pub pgcairn: String,
    /// Not of the file: its signature is not one of this summary, so a restore refuses the backup. Set by whoever reads it.
    #[serde(skip)]
    pub is_forged: bool,
    /// Not of the file: objects of it are not there, or are cut. Set by whoever has listed them.
    #[serde(skip)]
    pub lacks_objects: bool,
}

impl Summary {
    /// Something is wrong with the result, though it is complete.
    pub fn is_flagged(&self) -> bool {
        self.flagged.count > 0 || self.is_broken()
    }

    /// No restore comes to its end.
    pub fn is_broken(&self) -> bool {
        self.wal_broken_at.is_some() || self.is_forged || self.lacks_objects
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Full,
    #[serde(rename = "incr")]
    Incremental,
}

/// What a restored copy needs its server to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// `server_version_num`, such as 150018.
    pub version: u32,
    pub catalog_version: u32,
    pub wal_segment_size: u64,
    pub block_size: u32,
    pub data_checksums: bool,
}

impl ServerFacts {
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }

    pub fn minor(&self) -> u32 {
        self.version % 10_000
    }
}

/// The digest of `objects/<id>.jsonl.zst`, which lists every object the backup needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectsDigest {
    pub size: u64,
    pub sha256: Sha256Sum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    pub files: u64,
    pub directories: u64,
    /// Bytes of all files.
    pub data_bytes: u64,
    /// Bytes of all objects of the backup as stored, WAL not counted.
    pub stored_bytes: u64,
    pub packs: u32,
}

/// What happened to files while they were copied, and is repaired by WAL. Of a file in several slices each
/// slice counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tolerated {
    /// Listed, and gone when they were to be read.
    pub vanished: u64,
    /// Shorter when read than when listed; the rest reads as zeros.
    pub shrunk: u64,
    /// Links and special files that are not part of a data directory.
    pub skipped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flagged {
    pub count: u64,
    /// At most [`MAX_FLAGGED_PAGES`] of them.
    pub pages: Vec<FlaggedPage>,
}

/// A page whose checksum does not match; `path` consists of numbers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlaggedPage {
    pub path: String,
    /// Block within the relation, as PostgreSQL counts.
    pub block: u64,
}

/// Compared when a restored copy is started. Names of databases and their collations are in the backup
/// itself, `pgcairn_config/environment.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    pub architecture: String,
    /// As `version()` prints it.
    pub version: String,
}

/// One line of `objects/<id>.jsonl.zst`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectLine {
    pub key: Key,
    pub size: u64,
    pub sha256: Sha256Sum,
}

/// Most objects that a backup may need: 128 TiB in full packs.
pub const MAX_OBJECTS: usize = 4 << 20;

/// Every object that a backup needs, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectList(Vec<ObjectLine>);

impl ObjectList {
    pub fn new(mut lines: Vec<ObjectLine>) -> ObjectList {
        lines.sort();
        ObjectList(lines)
    }

    pub fn get(&self, key: &Key) -> Option<&ObjectLine> {
        self.place(key).and_then(|at| self.0.get(at))
    }

    /// Where in [`ObjectList::lines`] it is.
    pub fn place(&self, key: &Key) -> Option<usize> {
        self.0.binary_search_by(|line| line.key.cmp(key)).ok()
    }

    pub fn lines(&self) -> &[ObjectLine] {
        &self.0
    }
}

/// JSON readers other than ours read numbers as doubles: 64-bit identifiers are strings.
pub mod u64_string {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
