//! `wal push`: the archive_command. Success means durable.
//!
//! One create-only put. Where the object exists, its envelope decides: the same content is success,
//! another is a conflict and never overwritten (PostgreSQL: "the archive command should generally be
//! designed to refuse to overwrite any pre-existing archive file").

mod history;
pub mod last_error;
mod segment;
mod target;

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use tempfile::SpooledTempFile;

use crate::codec::{Envelope, MAX_HEADER, Sealer, peek};
use crate::config::{self, Config};
use crate::model::envelope::WalFacts;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{Key, Kind};
use crate::model::wal_name::WalName;
use crate::operation::Context;
use crate::operation::failure::{self, cannot};
use crate::operation::repository::Opened;
use crate::report::Listener;
use crate::report::wal::Push;

pub use target::Pushed;

/// Compressed or sealed bytes of one file that are held in memory; more goes to a temporary file.
const MAX_IN_MEMORY: usize = 64 * 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `%p` as PostgreSQL gives it: relative to the data directory, which is the working directory.
    pub path: PathBuf,
}

/// What it fails with is left for `status`: the server's log need not be at hand there.
pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Push> {
    let outcome = push(context, request, listener);
    match &outcome {
        Ok(_) => last_error::forget(&context.config),
        Err(error) => last_error::keep(&context.config, error),
    }
    outcome
}

fn push(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Push> {
    let pushed = Pushed::locate(&context.config, &request.path)?;
    let archives = Archive::all(&context.config, pushed.control.system_identifier);
    let mut file = None;
    let mut stored = Vec::with_capacity(archives.len());
    // What one repository refuses the others get all the same. PostgreSQL asks again for this file until all have it, and
    // for none after it: what has been acknowledged is everywhere.
    for archive in archives {
        stored.push(archive.and_then(|archive| archive.push_prepared(&pushed, &mut file)));
    }
    let stored = stored.into_iter().collect::<Result<Vec<bool>>>()?;
    let broken_at = file.and_then(|file| file.facts.invalid_from);
    if let Some(at) = broken_at {
        listener.warning(broken(&pushed.name.to_string(), at));
    }
    Ok(Push { name: pushed.name.to_string(), stored: stored.contains(&true), broken_at })
}

/// Loud, and yet a success: PostgreSQL must be able to recycle the segment, and what is before the break
/// is needed.
fn broken(name: &str, at: crate::model::lsn::Lsn) -> Error {
    Error::new(
        Code::Damaged,
        format!("WAL segment {name} was archived as it is, but its records are broken from {at} on: no recovery can pass this point"),
    )
    .hint("check the server's memory and disks, then make a new backup at once: pgcairn backup")
}

/// Where WAL files go, and what closes them. Shared with `backup` and `init`, which push what
/// PostgreSQL no longer will.
pub struct Archive {
    pub opened: Opened,
    pub sealer: Sealer,
    pub level: i32,
}

/// A file ready to be stored: compressed, described.
struct Prepared {
    kind: Kind,
    facts: WalFacts,
    compressed: SpooledTempFile,
}

impl Archive {
    /// Every repository that `archive_command` itself writes to.
    fn all(config: &Config, system_identifier: u64) -> Vec<Result<Archive>> {
        let archived_to = config.repositories().filter(|repository| repository.is_archived_to());
        archived_to.map(|repository| Archive::open(config, repository, system_identifier)).collect()
    }

    pub fn open(config: &Config, repository: &config::Repository, system_identifier: u64) -> Result<Archive> {
        let opened = Opened::of_cluster(config, repository, system_identifier)?;
        Ok(Archive { sealer: opened.sealer(config)?, opened, level: config.backup.compression })
    }

    /// One file; whether it was not there already with the same content.
    pub fn push(&self, pushed: &Pushed) -> Result<bool> {
        self.push_prepared(pushed, &mut None)
    }

    /// One file, prepared where it is not yet; whether it was not there already with the same content.
    fn push_prepared(&self, pushed: &Pushed, file: &mut Option<Prepared>) -> Result<bool> {
        if let WalName::History(_) = pushed.name {
            history::store_timeline_json(self, pushed)?;
        }
        let prepared = match file.take() {
            Some(prepared) => prepared,
            None => prepare(pushed, self.level)?,
        };
        self.store(&self.opened.keys.wal_file(&pushed.name), file.insert(prepared))
    }

    /// Pushes every `.history` file of pg_wal. A cluster that was promoted before it archived here has
    /// some that PostgreSQL archives no more.
    pub fn push_histories(&self, config: &Config) -> Result<()> {
        for pushed in Pushed::histories(config)? {
            self.push(&pushed)?;
        }
        Ok(())
    }

    /// `false` where the same content was there already.
    fn store(&self, key: &Key, prepared: &mut Prepared) -> Result<bool> {
        let Prepared { kind, facts, compressed } = prepared;
        let creator = self.opened.repository.creator();
        let envelope = Envelope::wal(key.clone(), *kind, facts.clone());
        let mut sealed = self.sealer.seal(&envelope, SpooledTempFile::new(MAX_IN_MEMORY))?;
        let copied = compressed.seek(SeekFrom::Start(0)).and_then(|_| std::io::copy(compressed, &mut sealed));
        let sealed = copied.and_then(|_| sealed.finish());
        let mut body = sealed.map_err(|e| cannot("seal", key, e))?;
        body.seek(SeekFrom::Start(0)).map_err(|e| cannot("seal", key, e))?;
        match creator.create(key, &mut body) {
            Ok(()) => Ok(true),
            Err(crate::store::Error::AlreadyExists { .. }) => {
                self.same_content(key, &envelope)?;
                // The earlier writer may have died before its object was durable.
                creator.persist(key)?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The object that is there must have the same digest, and exactly the size that follows from it.
    fn same_content(&self, key: &Key, ours: &Envelope) -> Result<()> {
        let reader = self.opened.repository.reader();
        let start = reader.get_range(key, 0..MAX_HEADER as u64)?;
        let theirs =
            peek(&start, self.sealer.encryption()).map_err(|e| failure::wal_object(key, e, failure::MOVE_AWAY))?;
        let facts = |envelope: &Envelope| envelope.wal.as_ref().map(|wal| (wal.sha256, wal.length));
        if theirs.envelope.name != *key || facts(&theirs.envelope) != facts(ours) {
            return Err(conflict(key, &theirs.envelope, ours));
        }
        let compressed = theirs.envelope.wal.as_ref().map_or(0, |wal| wal.compressed);
        let (due, found) = (theirs.stored_size(compressed), reader.stat(key)?.size);
        if due != found {
            return Err(Error::new(
                Code::Damaged,
                format!("{key} is already archived but damaged: it has {found} bytes and must have {due}"),
            )
            .hint(failure::MOVE_AWAY));
        }
        Ok(())
    }
}

fn prepare(pushed: &Pushed, level: i32) -> Result<Prepared> {
    match pushed.name {
        WalName::Segment(_) | WalName::Partial(_) => segment::prepare(pushed, level),
        WalName::History(_) => history::prepare(pushed, Kind::History, level),
        WalName::BackupHistory(..) => history::prepare(pushed, Kind::BackupHistory, level),
    }
}

fn conflict(key: &Key, theirs: &Envelope, ours: &Envelope) -> Error {
    let digest = |e: &Envelope| e.wal.as_ref().map_or("another object".to_owned(), |w| format!("SHA-256 {}", w.sha256));
    Error::new(
        Code::Conflict,
        format!("{key} is already archived with other content: {} there, {} here", digest(theirs), digest(ours)),
    )
    .hint("two servers archive into one history, perhaps a clone of this cluster: give this one its own name in the configuration, then pgcairn init")
}

/// Compresses a small file whole.
fn compress(bytes: &[u8], level: i32) -> Result<SpooledTempFile> {
    let mut frame = Vec::new();
    crate::codec::FrameCompressor::new(level)?.compress(bytes, &mut frame)?;
    let mut spool = SpooledTempFile::new(MAX_IN_MEMORY);
    spool.write_all(&frame).map_err(|e| cannot("compress", "a WAL file", e))?;
    Ok(spool)
}
