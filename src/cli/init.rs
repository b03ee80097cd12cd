//! `pgcairn init`

use clap::Args;

use super::Status;
use super::session::Session;
use crate::operation;

/// Create the repository, check everything, print the lines for postgresql.conf
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn init                      safe to repeat: what is there stays
  pgcairn init --write              put the settings into the server's configuration (Debian layout)
  pgcairn init --take-over          this host goes on where another one archived before")]
pub struct Arguments {
    /// Write the settings into the server's configuration instead of printing them
    #[arg(long)]
    write: bool,
    /// Let this host archive to a timeline that another one wrote before
    #[arg(long)]
    take_over: bool,
    /// Make a repository that is not encrypted
    #[arg(long)]
    no_encryption: bool,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let Arguments { write, take_over, no_encryption } = self;
        let request = operation::init::Request { write, take_over, no_encryption };
        let outcome = operation::init::run(&session.context()?, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
