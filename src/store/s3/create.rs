//! Creating an object: one PUT with `If-None-Match: *` and the SHA-256 of its content, from a buffer that can be sent
//! again. An answer that was lost leaves open whether the object is ours; then it is looked at.

use std::io::{Read, SeekFrom};

use object_store::path::Path;
use object_store::{Extensions, ObjectStore, PutMode, PutOptions, PutPayload};

use super::super::backend::ReadSeek;
use super::super::error::{Error, Result};
use super::Inner;
use super::digested::Digested;
use super::failure::Failure;
use super::large::{self, Large};
use super::lock::Locked;
use super::settings::ObjectLock;
use crate::model::key::Key;

/// Largest object that S3 takes in one request.
pub const MAX_OBJECT: u64 = 5 << 30;
/// Largest that is sent from a buffer: packs have 32 MiB, the WAL segments of by far most clusters up to 64 MiB.
pub const MAX_BUFFERED: u64 = (64 << 20) + OVERHEAD;
/// What envelope and encryption add.
const OVERHEAD: u64 = 1 << 20;

pub(super) enum Content {
    Buffered(Digested),
    Large(Large),
}

pub(super) const CREATE: &str = "cannot create";

impl Inner {
    pub(super) fn content(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<Content> {
        let unreadable = |error| large::unreadable(self, key, error);
        let from = body.stream_position().map_err(unreadable)?;
        let size = body.seek(SeekFrom::End(0)).map_err(unreadable)?.saturating_sub(from);
        if size > MAX_OBJECT {
            return Err(Error::TooLarge { place: self.place(key), limit: MAX_OBJECT });
        }
        body.seek(SeekFrom::Start(from)).map_err(unreadable)?;
        if size > MAX_BUFFERED {
            return Large::measure(from, body).map(Content::Large).map_err(unreadable);
        }
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        body.take(size).read_to_end(&mut content).map_err(unreadable)?;
        Ok(Content::Buffered(Digested::of(content)))
    }

    /// Until it is known whether the object is there, and whose.
    pub(super) async fn create(&self, key: &Key, content: Digested, lock: Option<ObjectLock>) -> Result<()> {
        let path = self.path(key);
        let mut attempts = self.patience.begin();
        let mut may_be_ours = false;
        loop {
            let mut extensions = self.with_lock(lock);
            extensions.insert(content.clone());
            let failure = match self.put_once(&path, PutPayload::new(), extensions).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if failure.exists() {
                let ours = may_be_ours && self.holds(key, &content).await?;
                return if ours { Ok(()) } else { Err(Error::AlreadyExists { key: key.clone() }) };
            }
            may_be_ours |= failure.may_be_done();
            match attempts.pause().filter(|_| failure.may_pass()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return self.given_up(key, &content, failure, may_be_ours).await,
            }
        }
    }

    /// Each attempt has an end of its own: the lock is counted from when it is made.
    pub(super) fn with_lock(&self, lock: Option<ObjectLock>) -> Extensions {
        let mut extensions = Extensions::new();
        lock.map(|lock| extensions.insert(Locked::from_now(lock, self.observed.clock_ahead())));
        extensions
    }

    /// A last look: the store may only have been slow to tell. Conflicts without end come from an object that is there.
    async fn given_up(&self, key: &Key, content: &Digested, failure: Failure, may_be_ours: bool) -> Result<()> {
        if failure.is_conflict() && self.head(key).await.is_ok() {
            return match may_be_ours && self.holds(key, content).await? {
                true => Ok(()),
                false => Err(Error::AlreadyExists { key: key.clone() }),
            };
        }
        Err(failure.into_error(CREATE, &self.url, Some(key)))
    }

    pub(super) async fn put_once(
        &self,
        path: &Path,
        content: PutPayload,
        extensions: Extensions,
    ) -> std::result::Result<(), Failure> {
        let attributes = self.attributes.clone();
        let options = PutOptions { mode: PutMode::Create, attributes, extensions, ..PutOptions::default() };
        match self.client.put_opts(path, content, options).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the object has this very content: read back, whatever the store says of it.
    async fn holds(&self, key: &Key, content: &Digested) -> Result<bool> {
        let size = content.content.len() as u64;
        Ok(self.head(key).await?.size == size && self.range(key, 0..size).await? == content.content)
    }
}
