//! `pgcairn list`

use clap::Args;

use super::Status;
use super::session::{LookingArguments, Session};
use crate::operation;

/// List the backups; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn list
  pgcairn list --held
  pgcairn list --repository file:///mnt/copy/pgcairn --cluster main
  pgcairn list --json | jq -r '.backups[-1].id'")]
pub struct Arguments {
    /// Only those that are held, with the reason
    #[arg(long)]
    held: bool,
    #[command(flatten)]
    look: LookingArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let request = operation::list::Request { held: self.held };
        let context = session.looking_context(&self.look)?;
        let outcome = operation::list::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
