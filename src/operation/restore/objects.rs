//! Whether all that a backup needs is in the repository, before anything is written: the list of objects
//! is the one that the commit marker names, and every object in it is there with its size. What objects
//! hold is checked when they are read.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use super::Source;
use super::commit_marker::{agree, contradiction};
use crate::codec::FrameReader;
use crate::model::catalog::{Method, ObjectLine, ObjectsDigest, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, Key};
use crate::model::sha256::Sha256Sum;
use crate::operation::failure::{self, OTHER_BACKUP, damaged};
use crate::store::{Entry, Reader};

/// Longer than any line of the list: a key has at most 1 KiB.
const MAX_LINE: u64 = 4096;

pub fn check(source: &Source<'_>, backup: &Summary) -> Result<()> {
    let (reader, keys) = (source.opened.repository.reader(), &source.opened.keys);
    let mut census = Census::new(&reader, keys, backup);
    read_list(&reader, &keys.objects(&backup.id), &backup.objects, |line| census.add(line))?;
    census.finish()
}

fn missing(key: &Key) -> Error {
    Error::new(Code::Damaged, format!("{key} does not exist, and the backup needs it")).hint(OTHER_BACKUP)
}

/// Hands every line to `visit`; size and digest of the whole have been verified when it returns.
fn read_list(
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

/// Holds the list against the repository, one directory of it at a time, and then against the marker.
struct Census<'a> {
    reader: &'a Reader,
    keys: &'a ClusterKeys,
    backup: &'a Summary,
    /// The directory that the lines have come to, and what lies there.
    directory: String,
    there: Vec<Entry>,
    stored_bytes: u64,
    packs: u64,
    /// Manifest and digest parts.
    parts: BTreeSet<Key>,
}

impl<'a> Census<'a> {
    fn new(reader: &'a Reader, keys: &'a ClusterKeys, backup: &'a Summary) -> Census<'a> {
        let (directory, there, parts) = (String::new(), Vec::new(), BTreeSet::new());
        Census { reader, keys, backup, directory, there, stored_bytes: backup.objects.size, packs: 0, parts }
    }

    /// Lines ascend by key, so every directory is listed once.
    fn add(&mut self, line: ObjectLine) -> Result<()> {
        let directory = line.key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        if directory != self.directory {
            self.there = self.reader.list(&format!("{directory}/"))?;
            self.directory = directory.to_owned();
        }
        let found = self.there.binary_search_by(|entry| entry.key.cmp(&line.key));
        match found.ok().and_then(|at| self.there.get(at)).map(|entry| entry.size) {
            Some(size) if size == line.size => {}
            Some(size) => {
                return Err(damaged(&line.key, format!("it has {size} bytes, the backup needs {}", line.size)));
            }
            None => return Err(missing(&line.key)),
        }
        self.stored_bytes = self.stored_bytes.saturating_add(line.size);
        match self.directory.split('/').nth_back(1) {
            Some("packs") => self.packs += 1,
            _ => drop(self.parts.insert(line.key)),
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let (backup, totals) = (self.backup, &self.backup.totals);
        let part = |number| [self.keys.manifest(&backup.id, number), self.keys.digests(&backup.id, number)];
        let unlisted = (1..=backup.parts).flat_map(part).find(|key| !self.parts.contains(key));
        if let Some(key) = unlisted.or_else(|| (backup.parts == 0).then(|| self.keys.manifest(&backup.id, 1))) {
            return Err(contradiction(
                self.keys,
                backup,
                format!("it tells of {} parts, and the list of objects has no {key}", backup.parts),
            ));
        }
        let packs = if backup.method == Method::Full { self.packs } else { totals.packs.into() };
        let facts = [
            ("manifest and digest parts", 2 * u64::from(backup.parts), self.parts.len() as u64),
            ("packs", totals.packs.into(), packs),
            ("stored bytes", totals.stored_bytes, self.stored_bytes),
        ];
        agree(self.keys, backup, "the list of objects", facts)
    }
}
