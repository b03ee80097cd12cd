//! `pgcairn check`

use clap::Args;

use super::Status;
use super::session::{IdentityArguments, Session};
use crate::operation;

/// Test the whole way live: settings, grants, disk, keys, repository, a WAL segment there and back
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn check                     also works while PostgreSQL is down
  pgcairn check --json | jq '.findings[] | select(.verdict == \"fail\")'
  pgcairn check --identity key.txt  is it a recipient's? Then it should not be on this host")]
pub struct Arguments {
    #[command(flatten)]
    key: IdentityArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let outcome = operation::check::run(&session.checking_context(&self.key)?)?;
        session.output.done(&outcome)
    }
}
