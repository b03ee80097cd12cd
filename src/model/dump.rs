//! A logical dump. Its marker, `dumps/<id>.json`, is plaintext and names databases; which tables they have stands in the
//! contents, which are closed as everything else.

pub mod archive;
mod contents;
mod globals;
pub mod globals_script;
mod marker;
pub mod selection;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::{ObjectsDigest, u64_string};
use super::key::{BackupId, ClusterName};

pub use contents::{
    Contents, ContentsError, Database, Globals, Large, Locale, Part, Stream, TableName, TableRows, only, quoted,
};
pub use globals::with_tablespaces_at;
pub use marker::{Marker, format_marker, parse_marker};

/// Bytes of JSON that names of databases take in a marker, at most: those beyond are left out, and counted all the same.
pub const MAX_NAMED: usize = 16 << 10;

/// Bytes of the contents of a dump before compression: some millions of tables.
pub const MAX_CONTENTS: u64 = 1 << 30;

/// As many of the names as a marker has.
pub fn named<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut length = 0;
    let fits = |name: &&str| {
        // A byte takes six at most, as \u0001.
        length += if name.chars().any(char::is_control) { 6 * name.len() } else { 2 * name.len() } + 3;
        length <= MAX_NAMED
    };
    names.take_while(fits).map(str::to_owned).collect()
}

/// What a listing tells of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub format: u32,
    /// Smallest format that a reader must know to restore this dump.
    pub minimum_reader: u32,
    pub id: BackupId,
    pub cluster: ClusterName,
    #[serde(with = "u64_string")]
    pub system_identifier: u64,
    /// Labels of the user, `--label K=V`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `server_version_num` of the server.
    pub server_version: u32,
    /// Major of the `pg_dump` that wrote the archives; what restores them is as new or newer.
    pub pg_dump_major: u32,
    /// By the database server's clock. Every database is as it was at a moment of its own in between, which its
    /// contents tell.
    pub started: Timestamp,
    pub finished: Timestamp,
    /// The server was in recovery.
    pub standby: bool,
    /// There are no rows in it.
    pub schema_only: bool,
    /// What [`named`] left of them, in their order.
    pub databases: Vec<String>,
    pub totals: Totals,
    pub objects: ObjectsDigest,
    /// Public keys that the objects are encrypted to.
    pub recipients: Vec<String>,
    /// Version of the program that wrote the dump.
    pub pgcairn: String,
    /// Not of the file: objects of it are not there, or are cut. Set by whoever has listed them.
    #[serde(skip)]
    pub lacks_objects: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    pub databases: u64,
    pub tables: u64,
    pub rows: u64,
    /// Bytes of all streams before compression.
    pub data_bytes: u64,
    /// Bytes of all objects as stored.
    pub stored_bytes: u64,
    pub pieces: u32,
}
