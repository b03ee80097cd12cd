//! `pgcairn wal push`

use std::path::PathBuf;

use clap::Args;

use crate::cli::Status;
use crate::cli::session::Session;
use crate::operation::wal::push;

/// Archive one WAL file (archive_command); success means durable
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  archive_command = 'pgcairn wal push %p'
  archive_command = 'pgcairn -c staging wal push %p'

Exit status: 0 is durable in the repository; 1 to 125 is not, PostgreSQL tries again.")]
pub struct Arguments {
    /// The file, %p of archive_command
    #[arg(value_name = "%p")]
    path: PathBuf,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let outcome = push::run(&session.context()?, &push::Request { path: self.path }, &session.output)?;
        session.output.done(&outcome)
    }
}
