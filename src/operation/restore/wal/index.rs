//! The index of the WAL that a restore lays beside the data: what is not in it is proven to be absent.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::error::{Code, Error, Result};
use crate::model::sha256::Sha256Sum;
use crate::model::wal_name::WalName;
use crate::sink::{BY_UMASK, Durability, replace};

/// Where the WAL beside the data is not what a restore has laid there.
pub const RESTORE_AGAIN: &str =
    "restore once more, into an empty directory: the same pgcairn restore with another --target-dir";

const INDEX: &str = "index.json";
const FORMAT: u32 = 1;
/// Larger than an index of a million segments.
const MAX_INDEX: u64 = 256 * 1024 * 1024;

/// What the directory holds. Written last, so that a directory with an index is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    pub format: u32,
    /// Sorted by name.
    pub files: Vec<IndexedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedFile {
    pub name: String,
    pub size: u64,
    pub sha256: Sha256Sum,
}

impl Index {
    pub fn new(mut files: Vec<IndexedFile>) -> Index {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Index { format: FORMAT, files }
    }

    /// An index that cannot be read proves nothing, so it is an error.
    pub fn read(directory: &Path) -> Result<Index> {
        let path = directory.join(INDEX);
        let broken =
            |reason: String| Error::new(Code::Damaged, format!("{}: {reason}", path.display())).hint(RESTORE_AGAIN);
        let mut text = Vec::new();
        let file = File::open(&path).map_err(|e| broken(e.to_string()))?;
        io::Read::read_to_end(&mut io::Read::take(file, MAX_INDEX), &mut text).map_err(|e| broken(e.to_string()))?;
        let index: Index = serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))?;
        if index.format == FORMAT {
            Ok(index)
        } else {
            Err(broken(format!("index format {} is not {FORMAT}", index.format)))
        }
    }

    /// `None` where the restore found no such file. A file that lies there and is not in the index makes
    /// the index doubtful, and nothing is proven by it.
    pub fn entry(&self, directory: &Path, name: &WalName) -> Result<Option<&IndexedFile>> {
        let name = name.to_string();
        if let Some(entry) = self.files.iter().find(|entry| entry.name == name) {
            return Ok(Some(entry));
        }
        match fs::symlink_metadata(directory.join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Err(Error::new(
                Code::Damaged,
                format!("{name} lies in {} and is not in its index", directory.display()),
            )
            .hint(RESTORE_AGAIN)),
        }
    }

    /// Durable when it returns; the files it names must be durable before.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        Ok(replace(&directory.join(INDEX), &text, BY_UMASK, Durability::Now)?)
    }
}
