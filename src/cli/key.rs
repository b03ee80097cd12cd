//! `pgcairn key …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Status;
use super::session::{IdentityArguments, RepositoryArguments, Session};
use crate::operation;

/// Keys that open the backups
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  pgcairn key generate --output ~/pgcairn-identity.txt
  pgcairn key check --identity ~/pgcairn-identity.txt --repository s3://acme-backups/pg")]
pub enum Command {
    Generate(Generate),
    Check(Check),
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

/// Show that a key opens the backups, by opening one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn key check --identity ~/pgcairn-identity.txt --repository s3://acme-backups/pg
  pgcairn key check --identity /media/stick/escrow.txt --repository file:///mnt/copy --cluster main

Run it where the key is kept, and not on the host of the database: a key that is found there alone is lost with it. That it
passed is recorded in the repository, and status asks for it until then.")]
pub struct Check {
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    place: RepositoryArguments,
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        match self {
            Command::Generate(generate) => generate.run(session),
            Command::Check(check) => check.run(session),
        }
    }
}

impl Check {
    fn run(self, session: &Session) -> Status {
        let context = session.key_context(&self.place, &self.key)?;
        let outcome = operation::key_check::run(&context, &session.output)?;
        session.output.done(&outcome)
    }
}

impl Generate {
    fn run(self, session: &Session) -> Status {
        let Generate { output } = self;
        let outcome = operation::key::run(&operation::key::Request { output }, session.now)?;
        session.output.done(&outcome)
    }
}
