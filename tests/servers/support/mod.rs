//! What scenarios stand on: servers of every major, scratch directories, the pgcairn binary, a ledger.

#![allow(dead_code)] // a helper may be used by the trials of one major or one privilege only

pub mod account;
pub mod authority;
pub mod clock;
pub mod damage;
pub mod document;
pub mod history;
pub mod image;
/// Shared with the conformance suite of stores.
#[path = "../../store/layers.rs"]
pub mod layers;
pub mod ledger;
pub mod majors;
pub mod marker;
pub mod mounted;
pub mod peak;
pub mod process;
pub mod scratch;
pub mod server;
pub mod shared;
pub mod site;
pub mod small;
pub mod sql;
pub mod summary;
pub mod time;
pub mod tls_server;
pub mod wait;

use std::fmt::Display;

/// Why a trial ends early.
#[derive(Debug, Clone)]
pub enum Stop {
    /// It cannot apply here; said aloud in the summary.
    Skip(String),
    Fail(String),
}

impl<M: Display> From<M> for Stop {
    fn from(message: M) -> Self {
        Stop::Fail(message.to_string())
    }
}

pub type Outcome<T = ()> = Result<T, Stop>;

/// Ends the trial as skipped: `return skip("needs root")`.
pub fn skip<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Stop::Skip(reason.into()))
}

/// One scenario, run once per major: `pg15::wal::push_twice` is `Scenario { name: "wal::push_twice", .. }`.
pub struct Scenario {
    pub name: &'static str,
    pub run: fn(&'static majors::Installation) -> Outcome,
}

/// Whether `make test-all` asked for the long form: all targets, more rounds.
pub fn full_length() -> bool {
    std::env::var("PGCAIRN_TEST_LENGTH").is_ok_and(|l| l == "full")
}
