//! One object from one repository to another, checked on the way.

use std::fmt::Display;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use super::Route;
use crate::codec::{MAX_HEADER, peek};
use crate::flow::memory::share;
use crate::model::catalog::ObjectLine;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::key::{ClusterKeys, Encryption, Key};
use crate::model::sha256::Sha256Sum;
use crate::model::wal_name::WalName;
use crate::operation::failure::{self, cannot, damaged};
use crate::operation::healed::healed;
use crate::operation::wal::histories::two_histories;
use crate::report::copy::Failed;
use crate::store::{Creator, Error as StoreError, Reader};

/// Bytes of one object that are held in memory, a pack at least; more goes to a temporary file.
const MAX_IN_MEMORY: usize = 40 * 1024 * 1024;

const CHUNK: usize = 1024 * 1024;

pub struct Transfer<'w> {
    pub route: &'w Route,
    pub keys: &'w ClusterKeys,
    pub from: Reader,
    pub to: Reader,
    pub creator: Creator,
    objects: AtomicU64,
    bytes: AtomicU64,
    wal_files: AtomicU64,
    /// That another writer has brought meanwhile.
    met: AtomicU64,
    failed: Mutex<Vec<Failed>>,
}

/// An object on its way.
struct Body {
    spool: SpooledTempFile,
    size: u64,
    sha256: Sha256Sum,
    /// What may hold an envelope.
    start: Vec<u8>,
}

impl<'w> Transfer<'w> {
    pub fn new(route: &'w Route, keys: &'w ClusterKeys) -> Transfer<'w> {
        let (from, to, creator) = (route.from.reader(), route.to.reader(), route.to.creator());
        let none = || AtomicU64::new(0);
        let (objects, bytes, wal_files, met) = (none(), none(), none(), none());
        Transfer { route, keys, from, to, creator, objects, bytes, wal_files, met, failed: Mutex::default() }
    }

    /// How many objects are on their way at once.
    pub fn jobs(&self) -> usize {
        share(self.route.jobs).jobs
    }

    pub fn interrupt(&self) -> &Interrupt {
        &self.route.interrupt
    }

    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn wal_files(&self) -> u64 {
        self.wal_files.load(Ordering::Relaxed)
    }

    pub fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    /// Said at the end; the rest is copied all the same.
    pub fn fail(&self, what: impl Display, error: Error) {
        let new = Failed::one(what.to_string(), error);
        let mut failed = self.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !failed.contains(&new) {
            failed.push(new);
        }
    }

    pub fn failed(&self) -> Vec<Failed> {
        self.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// An object that a backup lists: size and digest are known.
    pub fn listed(&self, line: &ObjectLine) -> Result<()> {
        self.object(&line.key, |body| match (body.size, body.sha256) == (line.size, line.sha256) {
            true => Ok(()),
            false => {
                let (size, sha256) = (body.size, body.sha256);
                let noun = if self.keys.dump_part_of(&line.key).is_some() { "dump" } else { "backup" };
                let due = format!("the {noun} lists {} and {}", line.size, line.sha256);
                Err(damaged(&line.key, format!("it has {size} bytes and SHA-256 {sha256}, {due}")))
            }
        })
    }

    /// An archived file: its envelope tells its name and size. What it holds is for whoever has a key.
    pub fn archived(&self, key: &Key) -> Result<()> {
        let encryption = self.route.from.encryption();
        self.object(key, |body| described(key, &body.start, body.size, encryption).map(drop))?;
        self.wal_files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// What lies there already and has another size than elsewhere: it may have been archived to each by itself, by
    /// another release or to other recipients. Then its own envelope accounts for the size, and the content is the same.
    pub fn sound_there(&self, name: &WalName, size: u64) -> Result<()> {
        let (key, encryption, place) = (&self.keys.wal_file(name), self.route.to.encryption(), &self.route.name);
        let envelope = |reader: &Reader, size| {
            let start = reader.get_range(key, 0..MAX_HEADER as u64).map_err(|error| Error::from(error).about(key))?;
            described(key, &start, size, encryption)
        };
        let there = envelope(&self.to, size).map_err(|error| damaged_there(place, key, error))?;
        let here = healed(&self.from, || envelope(&self.from, self.from.stat(key)?.size));
        match (here, there) {
            (Err(error), _) if error.code == Code::Interrupted => Err(error),
            (Ok(Some(here)), Some(there)) if here != there => {
                Err(two_histories(name, (&self.route.sources, here), (place, there))
                    .hint(format!("see what {place} holds: pgcairn wal list --repository {place}")))
            }
            // What is damaged elsewhere is no fault of what is there.
            _ => Ok(()),
        }
    }

    /// As it is.
    pub fn plain(&self, key: &Key) -> Result<()> {
        self.object(key, |_| Ok(()))
    }

    /// Create-only: whoever was faster has written the same, or it is found out when it is read.
    fn object(&self, key: &Key, check: impl Fn(&Body) -> Result<()>) -> Result<()> {
        self.interrupt().check()?;
        let mut body = healed(&self.from, || {
            let body = self.read(key)?;
            check(&body).map(|()| body)
        })?;
        body.spool.seek(SeekFrom::Start(0)).map_err(|e| cannot("copy", key, e))?;
        match self.creator.create(key, &mut body.spool) {
            Ok(()) => {
                self.objects.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(body.size, Ordering::Relaxed);
                Ok(())
            }
            Err(StoreError::AlreadyExists { .. }) => {
                self.met.fetch_add(1, Ordering::Relaxed);
                Ok(self.creator.persist(key)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read(&self, key: &Key) -> Result<Body> {
        let mut stored = self.from.get(key).map_err(|error| Error::from(error).about(key))?;
        let (mut spool, mut sha256, mut size) = (SpooledTempFile::new(MAX_IN_MEMORY), Sha256::new(), 0);
        let (mut start, mut chunk) = (Vec::new(), vec![0; CHUNK]);
        while let read @ 1.. = stored.read(&mut chunk).map_err(|e| failure::unreadable(key, &e))? {
            let bytes = &chunk[..read];
            start.extend_from_slice(&bytes[..read.min(MAX_HEADER.saturating_sub(start.len()))]);
            sha256.update(bytes);
            size += read as u64;
            spool.write_all(bytes).map_err(|e| cannot("copy", key, e))?;
        }
        Ok(Body { spool, size, sha256: Sha256Sum(sha256.finalize().into()), start })
    }
}

/// The envelope is of this object, and accounts for its size; the digest of what it holds.
fn described(key: &Key, start: &[u8], size: u64, encryption: Encryption) -> Result<Option<Sha256Sum>> {
    let hint = |e| failure::wal_object(key, e, failure::MOVE_AWAY);
    let peeked = peek(start, encryption).map_err(hint)?;
    let wal = peeked.envelope.wal.as_ref();
    let due = peeked.stored_size(wal.map_or(0, |wal| wal.compressed));
    match (&peeked.envelope.name == key, due == size) {
        (false, _) => Err(damaged(key, format!("it is {}", peeked.envelope.name)).hint(failure::MOVE_AWAY)),
        (_, false) => Err(damaged(key, format!("it has {size} bytes and must have {due}")).hint(failure::MOVE_AWAY)),
        _ => Ok(wal.map(|wal| wal.sha256)),
    }
}

/// Nothing is overwritten, so this is for a person.
pub fn damaged_there(name: &str, key: &Key, error: Error) -> Error {
    match error.code {
        Code::Damaged => Error::new(Code::Conflict, format!("in {name} {}", error.message))
            .hint(format!("move {key} out of {name}, then pgcairn copy --all --to {name}")),
        _ => error,
    }
}
