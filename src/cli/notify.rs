//! `pgcairn notify …`

use clap::{Args, Subcommand};

use super::Status;
use super::session::Session;
use crate::model::schedule::Job;
use crate::operation;
use crate::operation::notify::FailedUnit;

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
    Failed(Failed),
}

/// For OnFailure= of a unit: tell that it failed, but for what it has told itself
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn -c main notify failed backup      as pgcairn-failed-backup@main.service does")]
pub struct Failed {
    /// backup, expire, copy, verify or drill
    #[arg(value_name = "JOB")]
    job: Job,
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        match self {
            Command::Test => session.output.done(&operation::notify::test(&session.keeping_context()?)?),
            Command::Failed(Failed { job }) => {
                let context = session.telling_context()?;
                let result = operation::notify::failed(&context, job, &FailedUnit::of_environment())?;
                result.warnings.iter().for_each(|warning| session.output.aside(warning));
                session.output.done(&result)
            }
        }
    }
}
