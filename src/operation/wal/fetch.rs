//! `wal fetch`: the restore_command. `Ok` with `delivered: false` is a proven absence and nothing else
//! may look like it: every doubt is an error, so that PostgreSQL stops instead of opening short.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::codec::{CodecError, FrameReader, Opener};
use crate::config;
use crate::model::envelope::WalFacts;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::lsn::Lsn;
use crate::model::sha256::Sha256Sum;
use crate::model::wal_name::WalName;
use crate::operation::failure::cannot;
use crate::operation::repository::Opened;
use crate::operation::restore::wal::{Index, IndexedFile, RESTORE_AGAIN};
use crate::operation::wal::absence;
use crate::operation::wal::histories::Pair;
use crate::operation::{Context, catalog, failure, repository};
use crate::report::wal::Fetch;
use crate::sink::{BY_UMASK, Durability, Replacement};
use crate::source::data_directory::DataDirectory;

const CHUNK: usize = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `%f`
    pub name: WalName,
    /// `%p`, which is not `%f`
    pub path: PathBuf,
    /// PostgreSQL asks again whatever the answer, and opens nothing.
    pub standby: bool,
}

/// Out of the first repository that has it. Absent is what every repository proves to be absent.
pub fn run(context: &Context, request: &Request) -> Result<Fetch> {
    let (mut failed, mut passed) = (None, Vec::new());
    let several = !context.config.others.is_empty();
    for repository in context.config.repositories() {
        match deliver_out_of(context, repository, request, &mut passed) {
            Ok(true) => return Ok(Fetch { name: request.name.to_string(), delivered: true }),
            Ok(false) => {}
            // Nothing may have come to it yet.
            Err(error) if error.code == Code::NotFound && several && !repository.is_archived_to() => {}
            Err(error) if error.code == Code::Interrupted => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Fetch { name: request.name.to_string(), delivered: false }),
    }
}

/// `passed` are those that were reached and have not delivered.
fn deliver_out_of(
    context: &Context,
    repository: &config::Repository,
    request: &Request,
    passed: &mut Vec<Opened>,
) -> Result<bool> {
    let opened = locate(context, repository)?;
    let opener = opened.opener(context)?;
    let delivered = deliver_from_one(&opened, &opener, request, passed);
    passed.push(opened);
    delivered
}

fn deliver_from_one(opened: &Opened, opener: &Opener, request: &Request, passed: &[Opened]) -> Result<bool> {
    let file = begin(&request.path)?;
    match fetch(opened, opener, &request.name, file)? {
        Some(file) => {
            goes_on(opened, opener, &request.name, passed)?;
            deliver(file).map(|()| true)
        }
        None if request.standby => Ok(false),
        None => absence::check(opened, &request.name).map(|()| false),
    }
}

/// What came before may have been taken from one of those that do not have this: they must hold the same history.
fn goes_on(opened: &Opened, opener: &Opener, name: &WalName, passed: &[Opened]) -> Result<()> {
    let WalName::Segment(segment) = *name else { return Ok(()) };
    for earlier in passed {
        if (Pair { a: earlier, b: opened, opener: Some(opener) }).agree_around(segment)? {
            break;
        }
    }
    Ok(())
}

/// `--from DIR`: out of the WAL that a restore has laid beside the data, with neither key, configuration
/// nor network.
pub fn run_from(directory: &Path, request: &Request) -> Result<Fetch> {
    let index = Index::read(directory)?;
    let delivered = match index.entry(directory, &request.name)? {
        Some(entry) => deliver_from(directory, &request.name, entry, &request.path).map(|()| true)?,
        None => false,
    };
    Ok(Fetch { name: request.name.to_string(), delivered })
}

fn begin(path: &Path) -> Result<Replacement> {
    Replacement::begin(path, BY_UMASK).map_err(|error| into_pg_wal(error.into()))
}

/// PostgreSQL itself makes it durable (`KeepFileRestoredFromArchive`).
fn deliver(file: Replacement) -> Result<()> {
    file.finish(Durability::Later).map_err(|error| into_pg_wal(error.into()))
}

/// Nothing of what a restore can do about it helps here.
fn into_pg_wal(error: Error) -> Error {
    let hint = match error.code {
        Code::DiskSpace => "free space on the disk of pg_wal, and start the server again",
        _ => "restore_command = 'pgcairn wal fetch %f %p': PostgreSQL gives %p relative to its data directory",
    };
    error.hint(hint)
}

/// The cluster of the data directory that PostgreSQL runs in, where it is readable; else the one in the
/// repository.
fn locate(context: &Context, wanted: &config::Repository) -> Result<Opened> {
    let repository = repository::open_one(&context.config, wanted)?;
    let here = DataDirectory::open(Path::new("."));
    match (here, &context.config.name) {
        (Ok(here), Some(name)) => Ok(Opened::new(repository, name.clone(), here.control_file().system_identifier)),
        _ => catalog::choose_cluster(&context.config, repository),
    }
}

/// Decrypts, decompresses and verifies one file; `None` where it is proven that there is none.
pub fn fetch(opened: &Opened, opener: &Opener, name: &WalName, mut file: Replacement) -> Result<Option<Replacement>> {
    let key = opened.keys.wal_file(name);
    let verified = read(opened, opener, name, &mut |bytes| {
        file.write_all(bytes).map_err(|e| into_pg_wal(cannot("write", name, e)))
    })?;
    match verified {
        Some(facts) if facts.system_identifier != opened.system_identifier => Err(damaged(
            &key,
            format!("it is of cluster {}, not {}", facts.system_identifier, opened.system_identifier),
        )),
        Some(WalFacts { invalid_from: Some(at), .. }) if matches!(name, WalName::Segment(_)) => Err(broken(&key, at)),
        Some(_) => Ok(Some(file)),
        None => Ok(None),
    }
}

/// PostgreSQL takes a broken record for the end of WAL (`ReadRecord` in archive recovery) and opens there.
fn broken(key: &Key, at: Lsn) -> Error {
    Error::new(
        Code::Damaged,
        format!("{key} was archived with its records broken from {at} on, recovery would end there in silence"),
    )
    .hint(failure::LAST_MOMENT)
}

/// Hands the content of an archived file to `visit`, and then what its envelope says; length and digest
/// have been verified when it returns.
pub fn read(
    opened: &Opened,
    opener: &Opener,
    name: &WalName,
    visit: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Option<WalFacts>> {
    let key = opened.keys.wal_file(name);
    let Some(stored) = opened.repository.reader().find(&key)? else { return Ok(None) };
    let fail = |e: CodecError| failure::wal_object(&key, e, failure::LAST_MOMENT);
    let (envelope, body) = opener.open(&key, stored).map_err(fail)?;
    let facts = envelope.wal.ok_or_else(|| damaged(&key, "its envelope says nothing about WAL".to_owned()))?;
    let mut frames = FrameReader::new(body).map_err(fail)?;
    let (mut sha256, mut length, mut chunk) = (Sha256::new(), 0u64, vec![0; CHUNK]);
    loop {
        let filled = fill(&mut frames, &mut chunk).map_err(|e| fail(e.into()))?;
        length += filled as u64;
        if filled == 0 || length > facts.length {
            break;
        }
        sha256.update(&chunk[..filled]);
        visit(&chunk[..filled])?;
    }
    let digest = Sha256Sum(sha256.finalize().into());
    if (length, digest) != (facts.length, facts.sha256) {
        let (due, expected) = (facts.length, facts.sha256);
        return Err(damaged(
            &key,
            format!("its content has {length} bytes and SHA-256 {digest}, its envelope says {due} and {expected}"),
        ));
    }
    Ok(Some(facts))
}

/// Reads until the buffer is full or the content ends, so that WAL pages are never cut.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn damaged(key: &Key, reason: String) -> Error {
    Error::new(Code::Damaged, format!("{key} is damaged: {reason}")).hint(failure::LAST_MOMENT).about(key)
}

/// Copies out of the restored spool, with the digest of the index checked on the way.
fn deliver_from(directory: &Path, name: &WalName, entry: &IndexedFile, to: &Path) -> Result<()> {
    let path = directory.join(name.to_string());
    let unreadable = |e: std::io::Error| {
        Error::new(Code::Damaged, format!("cannot read {}: {e}", path.display())).hint(RESTORE_AGAIN)
    };
    let mut source = File::open(&path).map_err(unreadable)?;
    let mut file = begin(to)?;
    let (mut sha256, mut length, mut chunk) = (Sha256::new(), 0u64, vec![0; CHUNK]);
    while let read @ 1.. = source.read(&mut chunk).map_err(unreadable)? {
        sha256.update(&chunk[..read]);
        length += read as u64;
        file.write_all(&chunk[..read]).map_err(|e| into_pg_wal(cannot("write", to.display(), e)))?;
    }
    let digest = Sha256Sum(sha256.finalize().into());
    if (length, digest) != (entry.size, entry.sha256) {
        return Err(Error::new(
            Code::Damaged,
            format!("{} is not what the restore wrote: SHA-256 {digest}, due {}", path.display(), entry.sha256),
        )
        .hint(RESTORE_AGAIN));
    }
    deliver(file)
}
