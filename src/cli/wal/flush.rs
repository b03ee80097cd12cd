//! `pgcairn wal flush`

use std::time::Duration;

use clap::Args;

use crate::cli::session::Session;
use crate::cli::{Status, argument};
use crate::operation::wal::flush;

/// Return when everything committed so far is in the repository
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn wal flush                 before a risky change
  pgcairn wal flush --timeout 10s")]
pub struct Arguments {
    /// How long to wait for the archiver
    #[arg(long, value_name = "TIME", default_value = "1min", value_parser = argument::duration)]
    timeout: Duration,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let request = flush::Request { timeout: self.timeout };
        let outcome = flush::run(&session.context()?, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
