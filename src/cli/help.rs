//! `pgcairn help …`

use std::ffi::OsString;
use std::iter::once;

use clap::{Args, Parser};

use super::exit::{self, Ended, Protocol};
use super::session::Session;
use super::{Ending, Status};
use crate::operation::incident;

/// Not a command, but what one wants to know when it has happened.
const INCIDENT: &str = "incident";

/// Print this message, the help of a command, or with "incident" what to do in one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn help incident             rows deleted, host lost, disk full, key lost: which commands, in which order
  pgcairn help restore")]
pub struct Arguments {
    /// A command, or "incident"
    #[arg(value_name = "COMMAND")]
    words: Vec<OsString>,
}

impl Arguments {
    /// As if `--help` stood behind the words.
    pub fn run(self, session: &Session) -> Status {
        if matches!(&self.words[..], [word] if word == INCIDENT) {
            return session.output.done(&incident::page(session.config()));
        }
        let words: Vec<OsString> = once("pgcairn".into()).chain(self.words).chain(once("--help".into())).collect();
        match super::Arguments::try_parse_from(&words) {
            Ok(_) => Ok(Ending::with(0)),
            Err(said) => match exit::usage(Protocol::Person, &words, &said) {
                Ended::Itself(status) | Ended::Failed(status) => Ok(Ending::with(status)),
            },
        }
    }
}
