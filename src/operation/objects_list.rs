//! The list of objects of a backup or dump, as its commit marker names it.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use super::failure::{self, OTHER_BACKUP, damaged};
use crate::codec::{FrameCompressor, FrameReader};
use crate::model::catalog::{ObjectLine, ObjectsDigest, Summary};
use crate::model::dump;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::manifest::MAX_FRAME;
use crate::model::sha256::Sha256Sum;
use crate::store::Reader;

/// Longer than any line of the list: a key has at most 1 KiB.
const MAX_LINE: u64 = 4096;

/// Whose it is, where it lies, and what vouches for it.
pub struct ListOf<'l> {
    pub id: &'l BackupId,
    pub key: Key,
    pub digest: &'l ObjectsDigest,
    /// Of all that it names, as the marker says.
    pub stored_bytes: u64,
}

impl<'l> ListOf<'l> {
    pub fn backup(keys: &ClusterKeys, backup: &'l Summary) -> ListOf<'l> {
        let (key, stored_bytes) = (keys.objects(&backup.id), backup.totals.stored_bytes);
        ListOf { id: &backup.id, key, digest: &backup.objects, stored_bytes }
    }

    pub fn dump(keys: &ClusterKeys, dump: &'l dump::Summary) -> ListOf<'l> {
        let (key, stored_bytes) = (keys.dump_objects(&dump.id), dump.totals.stored_bytes);
        ListOf { id: &dump.id, key, digest: &dump.objects, stored_bytes }
    }
}

pub fn missing(key: &Key) -> Error {
    Error::new(Code::Damaged, format!("{key} does not exist, and the backup needs it")).hint(OTHER_BACKUP)
}

/// JSON lines by key, zstd frames; plaintext, so that a keyless verification can read it.
pub fn format(objects: &[ObjectLine], level: i32) -> Result<Vec<u8>> {
    let mut sorted: Vec<&ObjectLine> = objects.iter().collect();
    sorted.sort();
    let mut text = Vec::new();
    for object in sorted {
        serde_json::to_writer(&mut text, object).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
        text.push(b'\n');
    }
    let mut compressor = FrameCompressor::new(level)?;
    let mut list = Vec::new();
    for frame in text.chunks(MAX_FRAME as usize) {
        compressor.compress(frame, &mut list)?;
    }
    Ok(list)
}

/// Hands every line to `visit`; size and digest of the whole have been verified when it returns.
pub fn read(
    reader: &Reader,
    key: &Key,
    expected: &ObjectsDigest,
    mut visit: impl FnMut(ObjectLine) -> Result<()>,
) -> Result<()> {
    let Some(stored) = reader.find(key)? else {
        return Err(missing(key));
    };
    let mut stored = Digesting { inner: stored, sha256: Sha256::new(), size: 0 };
    let fail = |error| failure::object(key, error);
    let mut lines = BufReader::new(FrameReader::new(&mut stored).map_err(fail)?);
    let mut line = Vec::new();
    while (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).map_err(|e| fail(e.into()))? > 0 {
        visit(serde_json::from_slice(&line).map_err(|e| damaged(key, e.to_string()))?)?;
        line.clear();
    }
    drop(lines);
    let (size, sha256) = (stored.size, Sha256Sum(stored.sha256.finalize().into()));
    if (size, sha256) == (expected.size, expected.sha256) {
        return Ok(());
    }
    Err(damaged(
        key,
        format!(
            "it has {size} bytes and SHA-256 {sha256}, the commit marker says {} and {}",
            expected.size, expected.sha256
        ),
    ))
}

/// Digests what is read through it.
struct Digesting<R> {
    inner: R,
    sha256: Sha256,
    size: u64,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}
