//! What a kind of store implements.

use std::fmt::Debug;
use std::io::{Cursor, Read, Seek};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::bucket::Bucket;
use super::error::Result;
use super::inspection::Inspection;
use crate::model::key::Key;
use crate::model::sha256::Sha256Sum;

/// The body of an object: read from where it stands, again from there if a store has to try again.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    /// By the store's clock.
    pub modified: Timestamp,
}

/// Of the file system that a repository lies on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What is left for whoever runs this.
    pub free: u64,
    pub total: u64,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Key,
    pub size: u64,
    pub modified: Timestamp,
}

/// A flat space of named objects. A miss is [`super::Error::NotFound`], and no proof of absence: that is
/// the business of [`super::Reader`].
pub trait Backend: Debug + Send + Sync {
    /// The repository's URL, for messages.
    fn url(&self) -> &str;

    /// For how long after it has shown itself the repository may be taken to be there, and written to without another
    /// look: not at all where a disk may be unmounted.
    fn stays_for(&self) -> Duration {
        Duration::ZERO
    }

    /// The whole object as a stream.
    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>>;

    /// Part of an object; less than asked for where the object ends before.
    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>>;

    /// An object to be read in parts.
    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>>;

    fn stat(&self, key: &Key) -> Result<Stat>;

    /// Every object whose key begins with `prefix`, in order of their keys' bytes. Objects under
    /// construction are not seen.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>>;

    /// The next parts of keys that go on with `/` below `directory`, in order: one level, no objects.
    fn children(&self, directory: &str) -> Result<Vec<String>>;

    /// Creates an object or fails with [`super::Error::AlreadyExists`]; of several writers one wins.
    /// When it returns the object is complete and durable, whatever happens to this machine.
    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()>;

    /// The same of what is in memory and need not be there twice, nor be digested twice.
    fn create_bytes(&self, key: &Key, body: Bytes, _sha256: Sha256Sum) -> Result<()> {
        self.create(key, &mut Cursor::new(body))
    }

    /// Makes an existing object durable: whoever created it may have died before it was.
    fn persist(&self, key: &Key) -> Result<()>;

    fn delete(&self, key: &Key) -> Result<()>;

    /// Lets those who may read the repository add objects to this directory; whether there are such readers.
    fn open_to_readers(&self, _directory: &str) -> Result<bool> {
        Ok(false)
    }

    /// Puts holds of the store's own on objects, or takes them off; whether it is configured to keep any. An object
    /// that is not there is passed over.
    fn hold(&self, _keys: &[Key], _held: bool) -> Result<bool> {
        Ok(false)
    }

    /// How much room there is; `None` where there is no end to it.
    fn space(&self) -> Result<Option<Space>> {
        Ok(None)
    }

    /// What the place does by itself with objects; `None` where it does nothing.
    fn bucket(&self) -> Result<Option<Bucket>> {
        Ok(None)
    }

    /// Tries what this kind of store promises, on objects made for it; `None` where nothing needs trying.
    fn inspect(&self) -> Result<Option<Inspection>> {
        Ok(None)
    }
}
