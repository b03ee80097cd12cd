//! `pgcairn key …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Status;
use super::session::Session;
use crate::operation;

/// Keys that open the backups
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  pgcairn key generate --output ~/pgcairn-identity.txt")]
pub enum Command {
    Generate(Generate),
}

/// Make a key: an identity file to keep, and the recipient for the configuration
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn key generate --output ~/pgcairn-identity.txt
  pgcairn key generate --output /media/stick/escrow.txt     a second one, kept offline

The file is an ordinary age identity file (0600); `age -d -i FILE` reads what is encrypted to it.
Make it away from the database host: that host needs the recipient only.")]
pub struct Generate {
    /// Where the identity is written; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        let Command::Generate(Generate { output }) = self;
        let outcome = operation::key::run(&operation::key::Request { output }, session.now)?;
        session.output.done(&outcome)
    }
}
