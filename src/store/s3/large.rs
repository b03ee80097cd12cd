//! Creating an object that is too large for a buffer, such as a WAL segment of up to 1 GiB: one PUT, whose body is read
//! from where it stands. Its SHA-256 is known before, so it is read twice, and again for every further attempt.

use std::io::{self, Read, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use object_store::PutPayload;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::super::backend::ReadSeek;
use super::super::error::{Error, Result};
use super::create::CREATE;
use super::failure::Failure;
use super::patience::Patience;
use super::stream::Streamed;
use super::{Inner, read, runtime};
use crate::model::key::Key;
use crate::model::sha256::Sha256Sum;

/// What is read and handed over at once.
const PART: usize = 1 << 20;
/// Parts that wait to be sent.
const WAITING: usize = 4;

/// A body as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Large {
    /// Where it begins in what it is read from.
    pub from: u64,
    pub size: u64,
    pub sha256: Sha256Sum,
}

impl Large {
    /// Of what comes until its end.
    pub fn measure(from: u64, body: &mut (impl Read + ?Sized)) -> io::Result<Large> {
        let (mut sha256, mut size) = (Sha256::new(), 0);
        let mut part = vec![0; PART];
        loop {
            match body.read(&mut part)? {
                0 => return Ok(Large { from, size, sha256: Sha256Sum(sha256.finalize().into()) }),
                length => {
                    sha256.update(&part[..length]);
                    size += length as u64;
                }
            }
        }
    }
}

/// As [`Inner::create`]: until it is known whether the object is there, and whose.
pub(super) fn create(store: &Arc<Inner>, key: &Key, body: &mut dyn ReadSeek, large: Large) -> Result<()> {
    let total = store.patience.total + store.patience.for_body(large.size);
    let mut attempts = Patience { total, ..store.patience }.begin();
    let mut may_be_ours = false;
    loop {
        let failure = match put_once(store, key, body, large)? {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if failure.exists() && !may_be_ours {
            return Err(Error::AlreadyExists { key: key.clone() });
        }
        may_be_ours |= failure.may_be_done();
        // A store that has it may close the connection before it has read, and we heard, everything.
        if may_be_ours && store.wait(store.head(key)).is_ok() {
            let ours = holds(store, key, large)?;
            return if ours { Ok(()) } else { Err(Error::AlreadyExists { key: key.clone() }) };
        }
        match attempts.pause().filter(|_| failure.may_pass()) {
            Some(pause) => store.wait(async {
                tokio::time::sleep(pause).await;
                Ok(())
            })?,
            None => return Err(failure.into_error(CREATE, &store.url, Some(key))),
        }
    }
}

/// The request waits for its body on a thread of the runtime, and this one reads it.
fn put_once(
    store: &Arc<Inner>,
    key: &Key,
    body: &mut dyn ReadSeek,
    large: Large,
) -> Result<std::result::Result<(), Failure>> {
    let (parts, waiting) = mpsc::channel(WAITING);
    let request = {
        let (store, path) = (store.clone(), store.path(key));
        let mut extensions = store.with_lock(store.lock);
        extensions.insert(Streamed::new(large.size, large.sha256, waiting));
        async move { store.put_once(&path, PutPayload::new(), extensions).await }
    };
    let request = store.runtime.spawn(request);
    let handed_over = hand_over(store, key, body, large, parts);
    if handed_over.is_err() {
        request.abort();
        handed_over?;
    }
    let ended = runtime::wait(&store.runtime, request).ok_or(Error::Interrupted)?;
    Ok(ended.unwrap_or_else(|_| Err(Failure::NoAnswer("the request was given up".to_owned()))))
}

fn hand_over(
    store: &Inner,
    key: &Key,
    body: &mut dyn ReadSeek,
    large: Large,
    parts: mpsc::Sender<io::Result<Bytes>>,
) -> Result<()> {
    body.seek(SeekFrom::Start(large.from)).map_err(|error| unreadable(store, key, error))?;
    let mut left = large.size;
    while left > 0 {
        let mut part = vec![0; PART.min(usize::try_from(left).unwrap_or(PART))];
        body.read_exact(&mut part).map_err(|error| unreadable(store, key, error))?;
        left -= part.len() as u64;
        let sent = runtime::wait(&store.runtime, parts.send(Ok(part.into()))).ok_or(Error::Interrupted)?;
        if sent.is_err() {
            // The request has ended already, and says why.
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the object has this very content: read back, whatever the store says of it.
fn holds(store: &Arc<Inner>, key: &Key, large: Large) -> Result<bool> {
    if store.wait(store.head(key))?.size != large.size {
        return Ok(false);
    }
    let mut found = read::Body::open(store, key)?;
    let found = Large::measure(large.from, &mut found);
    Ok(found.map_err(|source| Error::Io { action: read::READ, place: store.place(key), source })? == large)
}

pub(super) fn unreadable(store: &Inner, key: &Key, source: io::Error) -> Error {
    Error::Io { action: "cannot read what becomes", place: store.place(key), source }
}
