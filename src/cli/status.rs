//! `pgcairn status`

use std::time::Duration;

use clap::Args;

use super::session::{LookingArguments, Session};
use super::{Ending, Status, argument};
use crate::model::error::Result;
use crate::operation;
use crate::report::status::Monitored;
use crate::report::{Output, status};

/// Show on one screen how everything stands: what is wrong, what can be restored, WAL, sizes; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn status                    also works while PostgreSQL or a repository is down
  pgcairn status --wait 60s         for a store that is slow to answer
  pgcairn status --exit-code        for Nagios and others: 0 ok, 1 warning, 2 critical, 3 unknown
  pgcairn status --json | jq '.verdict.reasons[]'")]
pub struct Arguments {
    /// For how long answers are waited for
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = argument::duration)]
    wait: Duration,
    /// End with the verdict, as a plugin for Nagios: 0 ok, 1 warning, 2 critical, 3 unknown
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    look: LookingArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let found = self.find_out(session);
        if self.exit_code { monitored(&session.output, found) } else { session.output.done(&found?) }
    }

    fn find_out(&self, session: &Session) -> Result<status::Status> {
        // What the owner of the data directory may not read, root may.
        let keys = session.keys_on_host();
        let context = session.looking_context(&self.look)?;
        let request = operation::status::Request { wait: self.wait, keys: Some(keys) };
        let outcome = operation::status::run(&context, &request)?;
        // What was not answered in this short time may have been before, and is in the metrics still.
        if self.look.is_at_all() && outcome.repositories.iter().all(|repository| repository.error.is_none()) {
            session.notifier.knows(outcome.clone());
        }
        Ok(outcome)
    }

    pub fn is_monitored(&self) -> bool {
        self.exit_code
    }
}

/// What keeps it from being known is no verdict: it is said where a monitor reads, and on standard error as ever.
fn monitored(output: &Output, found: Result<status::Status>) -> Status {
    let monitored = found.map(Monitored);
    if let Err(error) = &monitored {
        output.unknown(error);
    }
    let monitored = monitored?;
    output.result(&monitored);
    Ok(Ending::with(monitored.0.verdict.level.exit_status()))
}
