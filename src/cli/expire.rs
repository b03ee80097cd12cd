//! `pgcairn expire`

use clap::Args;

use super::Status;
use super::notifier::RunName;
use super::session::{OneRepository, Session};
use crate::operation;
use crate::operation::expire::Request;

/// Drop the backups, WAL and dumps that [retention] and [dump.retention] do not keep; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn expire --dry-run          every backup, kept or dropped, and the rule that decides
  pgcairn expire                    what it drops can be brought back for 7 days: pgcairn undelete ID
  pgcairn expire --repository offsite
  pgcairn expire --now --yes        frees space at once, also on a full disk")]
pub struct Arguments {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Delete at once what is dropped, without a way back; needs --yes
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: OneRepository,
}

impl Arguments {
    /// What only looks is no run of it.
    pub fn run_name(&self) -> Option<RunName> {
        (!self.dry_run).then(|| RunName::of("expire").option("--repository", self.place.name()))
    }

    pub fn run(self, session: &Session) -> Status {
        let request = Request { dry_run: self.dry_run, now: self.now, agreed: session.agreed() };
        let outcome = operation::expire::run(&session.context_of(&self.place)?, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
