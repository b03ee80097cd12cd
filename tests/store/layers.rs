//! Layers on a store: one notes every call, one lets a chosen call fail. Production code knows neither.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgcairn::model::key::Key;
use pgcairn::store::{Backend, Entry, Error, ReadSeek, Result, Stat};

/// Notes every call as `operation key`.
#[derive(Debug)]
pub struct Counting {
    below: Arc<dyn Backend>,
    calls: Mutex<Vec<String>>,
}

impl Counting {
    pub fn new(below: Arc<dyn Backend>) -> Arc<Counting> {
        Arc::new(Counting { below, calls: Mutex::default() })
    }

    /// The calls since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn note(&self, operation: &str, name: &str) {
        self.calls.lock().unwrap().push(format!("{operation} {name}"));
    }
}

impl Backend for Counting {
    fn url(&self) -> &str {
        self.below.url()
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        self.note("get", key.as_str());
        self.below.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        self.note("get_range", key.as_str());
        self.below.get_range(key, range)
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        self.note("open", key.as_str());
        self.below.open(key)
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        self.note("stat", key.as_str());
        self.below.stat(key)
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        self.note("children", directory);
        self.below.children(directory)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.note("list", prefix);
        self.below.list(prefix)
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.note("create", key.as_str());
        self.below.create(key, body)
    }

    fn persist(&self, key: &Key) -> Result<()> {
        self.note("persist", key.as_str());
        self.below.persist(key)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.note("delete", key.as_str());
        self.below.delete(key)
    }
}

/// When the chosen call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    Before,
    /// It was done and the answer was lost.
    After,
}

/// Lets the n-th call fail, counted from 0, and every later one too, as for a killed process.
#[derive(Debug)]
pub struct Faulty {
    below: Arc<dyn Backend>,
    fails_at: usize,
    when: When,
    calls: AtomicUsize,
}

impl Faulty {
    pub fn new(below: Arc<dyn Backend>, fails_at: usize, when: When) -> Arc<Faulty> {
        Arc::new(Faulty { below, fails_at, when, calls: AtomicUsize::new(0) })
    }

    /// How many calls were made, failed ones included.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn run<T>(&self, name: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let source = io::Error::other(format!("injected at call {number}"));
        let failure = Error::Unreachable { action: "cannot reach", place: name.to_owned(), source };
        match (number == self.fails_at, number > self.fails_at, self.when) {
            (true, _, When::After) => call().and(Err(failure)),
            (true, _, When::Before) | (_, true, _) => Err(failure),
            _ => call(),
        }
    }
}

impl Backend for Faulty {
    fn url(&self) -> &str {
        self.below.url()
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        self.run(key.as_str(), || self.below.get(key))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        self.run(key.as_str(), || self.below.get_range(key, range))
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        self.run(key.as_str(), || self.below.open(key))
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        self.run(key.as_str(), || self.below.stat(key))
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        self.run(directory, || self.below.children(directory))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.run(prefix, || self.below.list(prefix))
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.run(key.as_str(), || self.below.create(key, body))
    }

    fn persist(&self, key: &Key) -> Result<()> {
        self.run(key.as_str(), || self.below.persist(key))
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.run(key.as_str(), || self.below.delete(key))
    }
}
