//! `pgcairn list`

use clap::Args;

use super::Status;
use super::session::{RepositoryArguments, Session};
use crate::operation;

/// List the backups; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn list
  pgcairn list --repository file:///mnt/copy/pgcairn --cluster main
  pgcairn list --json | jq -r '.backups[-1].id'")]
pub struct Arguments {
    #[command(flatten)]
    place: RepositoryArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let outcome = operation::list::run(&session.reading_context(&self.place)?, &session.output)?;
        session.output.done(&outcome)
    }
}
