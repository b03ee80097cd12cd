//! A bucket of a store that speaks S3, or a part of one. One request for each object created, one for each read as
//! a whole; what exists there is durable.
//!
//! The crate `object_store` signs and sends; what its failures mean, and what is asked again, is decided here.

mod bucket;
mod client;
mod command;
mod create;
mod credentials;
mod digested;
mod failure;
mod large;
mod lifecycle;
mod list;
mod lock;
mod patience;
mod probe;
mod read;
mod runtime;
mod sdk;
mod settings;
mod shared_file;
mod stream;
mod transport;
mod versions;

use std::fmt;
use std::future::Future;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStoreExt};
use tokio::runtime::Handle;

use super::backend::{Backend, Entry, ReadSeek, Stat};
use super::bucket::Bucket;
use super::error::{Error, Result};
use super::inspection::Inspection;
use crate::model::key::Key;
use crate::model::sha256::Sha256Sum;
use client::Clients;
use create::Content;
use digested::Digested;
use sdk::Sdk;
use transport::Observed;
use versions::Oldest;

pub use create::{MAX_BUFFERED, MAX_OBJECT};
pub use patience::Patience;
pub use runtime::end_waits_at;
pub use settings::{Credentials, LockMode, ObjectLock, S3Settings, ServerSideEncryption};

/// A bucket does not go away under a name as a disk does; this long nobody looks again before a write. `wal push` pays
/// for one look, a backup for one in a minute.
const STAYS_FOR: Duration = Duration::from_secs(60);

pub struct S3Backend(Arc<Inner>);

struct Inner {
    url: String,
    /// Of every key; empty, or with a slash at its end.
    prefix: String,
    client: AmazonS3,
    /// For what the other one has no words for.
    sdk: Sdk,
    bucket: String,
    /// Of every object that is created, but those that are made to try the store.
    lock: Option<ObjectLock>,
    /// Where the oldest versions are read, and nothing is written.
    oldest: Option<Oldest>,
    attributes: Attributes,
    patience: Patience,
    observed: Arc<Observed>,
    /// Entries asked for in one page of a listing; the store's own number unless told.
    page: Option<usize>,
    runtime: Handle,
}

/// The client knows the access key.
impl fmt::Debug for S3Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Backend({})", self.0.url)
    }
}

impl S3Backend {
    /// Reads the credentials; the store itself is asked by the first operation.
    pub fn open(settings: &S3Settings) -> Result<S3Backend> {
        S3Backend::open_with(settings, Patience::default(), None)
    }

    /// With other bounds than the usual ones.
    pub fn open_with(settings: &S3Settings, patience: Patience, page: Option<usize>) -> Result<S3Backend> {
        let url = settings.url();
        let runtime =
            runtime::start().map_err(|error| Error::from_os("cannot start threads for", url.clone(), error))?;
        let observed = Observed::new();
        let Clients { store: client, sdk } = client::build(settings, patience, &observed)?;
        let storage_class = settings.storage_class.iter().map(|class| (Attribute::StorageClass, class.clone()));
        let attributes: Attributes = storage_class.collect();
        let prefix = if settings.prefix.is_empty() { String::new() } else { format!("{}/", settings.prefix) };
        let (bucket, lock) = (settings.bucket.clone(), settings.lock);
        let oldest = settings.oldest_versions.then(Oldest::default);
        Ok(S3Backend(Arc::new(Inner {
            url,
            prefix,
            client,
            sdk,
            bucket,
            lock,
            oldest,
            attributes,
            patience,
            observed,
            page,
            runtime,
        })))
    }
}

impl Inner {
    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        runtime::wait(&self.runtime, work).unwrap_or(Err(Error::Interrupted))
    }

    fn path_text(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Keys and prefixes have no character that S3 or this crate would write in another way.
    fn path(&self, key: &Key) -> Path {
        Path::from(self.path_text(key.as_str()))
    }

    fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.prefix.as_str())
    }

    fn place(&self, key: &Key) -> String {
        format!("{}/{key}", self.url)
    }

    /// The oldest versions are what was; nothing is added to it.
    fn refuse_to_write(&self) -> Result<()> {
        match self.oldest {
            Some(_) => Err(Error::ReadOnly { url: self.url.clone() }),
            None => Ok(()),
        }
    }

    /// S3 calls it a success to delete what is not there. Where an answer was lost, what somebody has created there since is
    /// another object, and stays.
    async fn delete(&self, key: &Key) -> Result<()> {
        let (meant, path) = (self.head(key).await?, self.path(key));
        let is_repeated = AtomicBool::new(false);
        let delete = || async {
            if is_repeated.swap(true, Ordering::Relaxed) && !self.is_still(&path, meant).await? {
                return Ok(());
            }
            Ok(self.client.delete(&path).await?)
        };
        self.again("cannot delete", Some(key), delete).await
    }
}

impl Backend for S3Backend {
    fn url(&self) -> &str {
        &self.0.url
    }

    fn stays_for(&self) -> Duration {
        STAYS_FOR
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(read::Body::open(&self.0, key)?))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        self.0.wait(self.0.range(key, range))
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        Ok(Box::new(read::Seekable::open(&self.0, key)?))
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        self.0.wait(self.0.head(key))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.0.wait(self.0.entries(prefix))
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        self.0.wait(self.0.next_parts(directory))
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.0.refuse_to_write()?;
        match self.0.content(key, body)? {
            Content::Buffered(content) => self.0.wait(self.0.create(key, content, self.0.lock)),
            Content::Large(large) => large::create(&self.0, key, body, large),
        }
    }

    fn create_bytes(&self, key: &Key, body: Bytes, sha256: Sha256Sum) -> Result<()> {
        if body.len() as u64 > MAX_BUFFERED {
            return self.create(key, &mut Cursor::new(body));
        }
        self.0.refuse_to_write()?;
        self.0.wait(self.0.create(key, Digested { content: body, sha256 }, self.0.lock))
    }

    /// What can be read there is durable.
    fn persist(&self, key: &Key) -> Result<()> {
        self.stat(key).map(drop)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.0.refuse_to_write()?;
        self.0.wait(self.0.delete(key))
    }

    fn hold(&self, keys: &[Key], held: bool) -> Result<bool> {
        self.0.refuse_to_write()?;
        match self.0.lock {
            Some(_) => self.0.wait(self.0.hold(keys, held)).map(|()| true),
            None => Ok(false),
        }
    }

    fn bucket(&self) -> Result<Option<Bucket>> {
        self.0.wait(self.0.bucket()).map(Some)
    }

    fn inspect(&self) -> Result<Option<Inspection>> {
        self.0.refuse_to_write()?;
        self.0.wait(self.0.probe()).map(Some)
    }
}
