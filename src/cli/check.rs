//! `pgcairn check`

use clap::Args;

use super::Status;
use super::session::Session;
use crate::operation;

/// Test the whole way live: settings, grants, disk, keys, repository, a WAL segment there and back
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn check                     also works while PostgreSQL is down
  pgcairn check --json | jq '.findings[] | select(.verdict == \"fail\")'")]
pub struct Arguments {}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let outcome = operation::check::run(&session.context()?, &session.output)?;
        session.output.done(&outcome)
    }
}
