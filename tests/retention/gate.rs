//! A process whose every call to the store waits for leave: it can stand still between any two, and be killed at any.

use std::sync::{Arc, Condvar, Mutex};

use pgcairn::store::{Backend, Error, Result};

use crate::layers::{Layer, On};

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

/// Of one process, whatever stores it works with.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    pub fn new() -> Arc<Gate> {
        Arc::new(Gate { state: Mutex::new(State::Running), changed: Condvar::new() })
    }

    /// The store as this process reaches it.
    pub fn over(self: &Arc<Gate>, store: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(On(Gated { gate: self.clone(), store }))
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
}

#[derive(Debug)]
struct Gated {
    gate: Arc<Gate>,
    store: Arc<dyn Backend>,
}

impl Layer for Gated {
    fn below(&self) -> &dyn Backend {
        self.store.as_ref()
    }

    fn run<T>(&self, _: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        let source = std::io::Error::other("injected");
        let failure = Error::Unreachable { action: "cannot reach", place: name.to_owned(), source };
        match self.gate.leave() {
            Fate::Done => call(self.below()),
            Fate::AnswerLost | Fate::Killed { done: true } => call(self.below()).and(Err(failure)),
            Fate::Failed | Fate::Killed { done: false } => Err(failure),
        }
    }
}
