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
  pgcairn init --recreate           the repository is lost for good: make it anew, and say what to do next
  pgcairn init --write              put the settings into the server's configuration (Debian layout)")]
pub struct Arguments {
    /// Write the settings into the server's configuration instead of printing them
    #[arg(long)]
    write: bool,
    /// Make a repository that is not encrypted
    #[arg(long)]
    no_encryption: bool,
    /// Make anew a repository that is lost; refused while anything lies in its place
    #[arg(long)]
    recreate: bool,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let Arguments { write, no_encryption, recreate } = self;
        let request = operation::init::Request { write, no_encryption, recreate };
        let context = session.founding_context(|config| request.is_refused(config))?;
        let outcome = operation::init::run(&context, &request)?;
        session.output.done(&outcome)
    }
}
