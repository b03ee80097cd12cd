//! The end of work on a copy that takes too long: as a signal ends it, and told apart from one.

use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ::postgres::{CancelToken, Client, NoTls};

use crate::model::interrupt::Interrupt;

/// How soon a signal is passed on.
const POLL: Duration = Duration::from_millis(100);

pub struct Deadline {
    interrupt: Interrupt,
    /// Statements that are to be ended with it.
    sessions: Mutex<Vec<CancelToken>>,
}

impl Deadline {
    /// `work` within `limit`, or until `parent` is raised.
    pub fn run<T>(parent: &Interrupt, limit: Duration, work: impl FnOnce(&Deadline) -> T) -> T {
        let until = Instant::now() + limit;
        let deadline = Deadline { interrupt: Interrupt::default(), sessions: Mutex::default() };
        let (done, ended) = mpsc::channel::<()>();
        let watched = &deadline;
        thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                    if parent.is_raised() || Instant::now() >= until {
                        watched.end();
                    }
                }
            });
            let outcome = work(watched);
            drop(done);
            outcome
        })
    }

    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Its statements end when the time is over.
    pub fn watch(&self, client: &Client) {
        self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(client.cancel_token());
    }

    /// Again and again: the next statement of a session is to end as well.
    fn end(&self) {
        self.interrupt.raise();
        for session in self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter() {
            let _ = session.cancel_query(NoTls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_signals_both_end_it() {
        let parent = Interrupt::default();
        let ends = |limit| {
            Deadline::run(&parent, limit, |deadline| {
                let since = Instant::now();
                while !deadline.interrupt().is_raised() && since.elapsed() < Duration::from_secs(30) {
                    thread::sleep(Duration::from_millis(5));
                }
                deadline.interrupt().is_raised()
            })
        };
        assert!(ends(Duration::from_millis(10)));
        assert!(!parent.is_raised());
        parent.raise();
        assert!(ends(Duration::from_secs(3600)));
    }
}
