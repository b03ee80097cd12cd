//! `pgcairn notify …`

use clap::Subcommand;

use super::Status;
use super::session::Session;
use crate::operation;

/// Who is told of failures
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  pgcairn notify test\n  pgcairn notify test --json | jq '.sent[] | select(.delivered | not)'"
)]
pub enum Command {
    /// Send one message of each kind that [notify] has, and say what became of it
    #[command(after_help = "\
Examples:
  pgcairn notify test               a service that watches for pings hears of a failure and then of a success
  pgcairn -c staging notify test")]
    Test,
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        match self {
            Command::Test => session.output.done(&operation::notify::test(&session.notifying_context()?)?),
        }
    }
}
