//! `pgcairn status`

use std::time::Duration;

use clap::Args;

use super::Status;
use super::argument;
use super::session::{LookingArguments, Session};
use crate::operation;

/// Show on one screen how everything stands: server, WAL, backups, sizes; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn status                    also works while PostgreSQL or a repository is down
  pgcairn status --wait 60s         for a store that is slow to answer
  pgcairn status --json | jq '.repositories[] | {name, behind}'")]
pub struct Arguments {
    /// For how long answers are waited for
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = argument::duration)]
    wait: Duration,
    #[command(flatten)]
    look: LookingArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let context = session.looking_context(&self.look)?;
        let outcome = operation::status::run(&context, &operation::status::Request { wait: self.wait })?;
        let ending = session.output.done(&outcome);
        // What was not answered in this short time may have been before, and is in the metrics still.
        if self.look.is_at_all() && outcome.repositories.iter().all(|repository| repository.error.is_none()) {
            session.job.knows(outcome);
        }
        ending
    }
}
