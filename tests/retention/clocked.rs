//! A store in memory that knows the time.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use pgcairn::model::key::Key;
use pgcairn::store::{self, Backend, Entry, ReadSeek, Stat};

use crate::memory::Memory;

/// The store's own clock, which tells when an object was stored.
#[derive(Debug)]
pub struct Clocked {
    below: Memory,
    now: Mutex<Timestamp>,
    times: Mutex<BTreeMap<Key, Timestamp>>,
}

impl Clocked {
    pub fn new(now: Timestamp) -> Clocked {
        Clocked { below: Memory::default(), now: Mutex::new(now), times: Mutex::default() }
    }

    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub fn pass(&self, span: SignedDuration) {
        *self.now.lock().unwrap() += span;
    }

    fn time(&self, key: &Key) -> Timestamp {
        self.times.lock().unwrap().get(key).copied().unwrap_or(Timestamp::MIN)
    }
}

impl Backend for Clocked {
    fn url(&self) -> &str {
        "memory:"
    }

    fn get(&self, key: &Key) -> store::Result<Box<dyn Read + Send>> {
        self.below.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> store::Result<Vec<u8>> {
        self.below.get_range(key, range)
    }

    fn open(&self, key: &Key) -> store::Result<Box<dyn ReadSeek + Send>> {
        self.below.open(key)
    }

    fn stat(&self, key: &Key) -> store::Result<Stat> {
        Ok(Stat { modified: self.time(key), ..self.below.stat(key)? })
    }

    fn list(&self, prefix: &str) -> store::Result<Vec<Entry>> {
        let entries = self.below.list(prefix)?.into_iter();
        Ok(entries.map(|entry| Entry { modified: self.time(&entry.key), ..entry }).collect())
    }

    fn children(&self, directory: &str) -> store::Result<Vec<String>> {
        self.below.children(directory)
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> store::Result<()> {
        self.below.create(key, body)?;
        self.times.lock().unwrap().insert(key.clone(), *self.now.lock().unwrap());
        Ok(())
    }

    fn persist(&self, key: &Key) -> store::Result<()> {
        self.below.persist(key)
    }

    fn delete(&self, key: &Key) -> store::Result<()> {
        self.below.delete(key)
    }
}
