//! `pgcairn demo`

use std::path::PathBuf;

use clap::Args;

use super::Status;
use super::session::Session;
use crate::operation;

/// Show the main job on a throw-away server: backup, a dropped table, recovery to just before it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn demo                      touches no cluster of yours, removes everything afterwards
  pgcairn demo --bindir /usr/lib/postgresql/17/bin")]
pub struct Arguments {
    /// Where initdb and postgres are
    #[arg(long, value_name = "DIR")]
    bindir: Option<PathBuf>,
    /// Leave everything in place afterwards
    #[arg(long)]
    keep: bool,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        // Root may be somewhere that the stand-in may not enter.
        let bindir = self.bindir.map(|path| std::path::absolute(&path).unwrap_or(path));
        let request = operation::demo::Request { bindir, keep: self.keep };
        session.stand_in()?;
        let outcome = operation::demo::run(&request, &session.interrupt, &session.output)?;
        session.output.done(&outcome)
    }
}
