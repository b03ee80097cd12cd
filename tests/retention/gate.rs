//! A process whose every call to the store waits for leave: it can stand still between any two, and be killed at any.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};

use pgcairn::model::key::Key;
use pgcairn::store::{Backend, Entry, Error, ReadSeek, Result, Stat};

use crate::clocked::Clocked;

/// What becomes of the call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// Nothing is done, and the process sees it.
    Failed,
    /// It is done, and the process does not hear of it.
    AnswerLost,
    /// The process is killed before, or after.
    Killed {
        done: bool,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Running,
    Waiting,
    Let(Fate),
    Dead,
    Ended,
}

#[derive(Debug)]
pub struct Gate {
    store: Arc<Clocked>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    pub fn new(store: Arc<Clocked>) -> Arc<Gate> {
        Arc::new(Gate { store, state: Mutex::new(State::Running), changed: Condvar::new() })
    }

    /// By the process, when it has come to its end.
    pub fn end(&self) {
        *self.state.lock().unwrap() = State::Ended;
        self.changed.notify_all();
    }

    /// By the scheduler: lets one call through and waits until the process stands before the next. `false` at its end.
    pub fn step(&self, fate: Fate) -> bool {
        let resting = |state: &mut State| matches!(state, State::Waiting | State::Ended);
        let mut state = self.changed.wait_while(self.state.lock().unwrap(), |state| !resting(state)).unwrap();
        if *state == State::Ended {
            return false;
        }
        *state = State::Let(fate);
        self.changed.notify_all();
        let state = self.changed.wait_while(state, |state| !resting(state)).unwrap();
        *state != State::Ended
    }

    fn leave(&self) -> Fate {
        let mut state = self.state.lock().unwrap();
        if *state == State::Dead {
            return Fate::Failed;
        }
        *state = State::Waiting;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| *state == State::Waiting).unwrap();
        let State::Let(fate) = *state else { unreachable!() };
        *state = if matches!(fate, Fate::Killed { .. }) { State::Dead } else { State::Running };
        fate
    }

    fn run<T>(&self, place: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let source = std::io::Error::other("injected");
        let failure = Error::Unreachable { action: "cannot reach", place: place.to_owned(), source };
        match self.leave() {
            Fate::Done => call(),
            Fate::AnswerLost | Fate::Killed { done: true } => call().and(Err(failure)),
            Fate::Failed | Fate::Killed { done: false } => Err(failure),
        }
    }
}

impl Backend for Gate {
    fn url(&self) -> &str {
        "memory:"
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        self.run(key.as_str(), || self.store.get(key))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        self.run(key.as_str(), || self.store.get_range(key, range))
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        self.run(key.as_str(), || self.store.open(key))
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        self.run(key.as_str(), || self.store.stat(key))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.run(prefix, || self.store.list(prefix))
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        self.run(directory, || self.store.children(directory))
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.run(key.as_str(), || self.store.create(key, body))
    }

    fn persist(&self, key: &Key) -> Result<()> {
        self.run(key.as_str(), || self.store.persist(key))
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.run(key.as_str(), || self.store.delete(key))
    }
}
