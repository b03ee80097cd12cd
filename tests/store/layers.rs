//! Layers on a store: one notes every call, one lets a chosen call fail. Production code knows neither.

use std::fmt::Debug;
use std::io::{self, Read};
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgcairn::model::key::Key;
use pgcairn::store::{Backend, Entry, Error, ReadSeek, Result, Stat};

/// What comes between an operation and its store: it sees every call, and decides what becomes of it.
pub trait Layer: Debug + Send + Sync {
    fn below(&self) -> &dyn Backend;

    /// `operation` is the method's name, `name` a key, a prefix or a directory.
    fn run<T>(&self, operation: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T>;

    /// What is read of an object, whole or in part.
    fn body(&self, body: Vec<u8>) -> Vec<u8> {
        body
    }

    fn stream(&self, body: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        body
    }
}

/// A store with a layer on it.
#[derive(Debug, Default)]
pub struct On<L>(pub L);

impl<L> Deref for On<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.0
    }
}

impl<L: Layer> Backend for On<L> {
    fn url(&self) -> &str {
        self.below().url()
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        self.run("get", key.as_str(), |below| below.get(key)).map(|body| self.stream(body))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        self.run("get_range", key.as_str(), |below| below.get_range(key, range)).map(|body| self.body(body))
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        self.run("open", key.as_str(), |below| below.open(key))
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        self.run("stat", key.as_str(), |below| below.stat(key))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.run("list", prefix, |below| below.list(prefix))
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        self.run("children", directory, |below| below.children(directory))
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.run("create", key.as_str(), |below| below.create(key, body))
    }

    fn persist(&self, key: &Key) -> Result<()> {
        self.run("persist", key.as_str(), |below| below.persist(key))
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.run("delete", key.as_str(), |below| below.delete(key))
    }
}

/// Notes every call as `operation key`.
#[derive(Debug)]
pub struct Counting {
    below: Arc<dyn Backend>,
    calls: Mutex<Vec<String>>,
}

impl Counting {
    pub fn new(below: Arc<dyn Backend>) -> Arc<On<Counting>> {
        Arc::new(On(Counting { below, calls: Mutex::default() }))
    }

    /// The calls since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Layer for Counting {
    fn below(&self) -> &dyn Backend {
        self.below.as_ref()
    }

    fn run<T>(&self, operation: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        self.calls.lock().unwrap().push(format!("{operation} {name}"));
        call(self.below())
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
    pub fn new(below: Arc<dyn Backend>, fails_at: usize, when: When) -> Arc<On<Faulty>> {
        Arc::new(On(Faulty { below, fails_at, when, calls: AtomicUsize::new(0) }))
    }

    /// How many calls were made, failed ones included.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Layer for Faulty {
    fn below(&self) -> &dyn Backend {
        self.below.as_ref()
    }

    fn run<T>(&self, _: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let source = io::Error::other(format!("injected at call {number}"));
        let failure = Error::Unreachable { action: "cannot reach", place: name.to_owned(), source };
        match (number == self.fails_at, number > self.fails_at, self.when) {
            (true, _, When::After) => call(self.below()).and(Err(failure)),
            (true, _, When::Before) | (_, true, _) => Err(failure),
            _ => call(self.below()),
        }
    }
}
