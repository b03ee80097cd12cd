//! Events -> terminal, JSON. Operations never print: they send events while they work and return a
//! result, and this room says both to a person or to a program.

pub mod backup;
pub mod check;
pub mod config;
pub mod copy;
pub mod demo;
pub mod drill;
pub mod dump;
pub mod dump_list;
pub mod dump_restore;
pub mod event;
pub mod expire;
pub mod hold;
pub mod holds;
mod html;
pub mod incident;
pub mod init;
pub mod key;
pub mod key_check;
pub mod list;
pub mod metrics;
pub mod notification;
pub mod notify;
pub mod output;
mod progress;
pub mod recovery_sheet;
pub mod restore;
pub mod restore_table;
pub mod schedule;
pub mod show;
pub mod signature;
pub mod status;
pub mod text;
pub mod verdict;
pub mod verify;
pub mod wal;

use serde::Serialize;

pub use event::{Event, Listener, Phase, Progress, Quiet};
pub use output::{Format, Manner, Output, colors, json};

use crate::model::error::Code;

/// Version of everything that `--json` prints.
pub const SCHEMA: u32 = 1;

/// What a command came to: serialised for a program, rendered for a person.
pub trait Report: Serialize {
    /// The word in `"result"`.
    const NAME: &'static str;

    /// Whether `--json` says the schema and the name. `false` for a document that is its own.
    const NAMED: bool = true;

    /// Lines for standard output, each ended; may be empty.
    fn human(&self) -> String;

    /// The command to run next: the last line a person sees.
    fn next(&self) -> Option<String> {
        None
    }

    /// `Some` where the work is done but its result needs a look, or found something broken.
    fn flaw(&self) -> Option<Code> {
        None
    }
}
