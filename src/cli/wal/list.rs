//! `pgcairn wal list`

use clap::Args;

use crate::cli::session::{RepositoryArguments, Session};
use crate::cli::{Status, argument};
use crate::model::wal_name::TimelineId;
use crate::operation::wal::list;

/// List the archived WAL as runs of segments; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn wal list
  pgcairn wal list --gaps           only what is missing; exit status 12 where something is
  pgcairn wal list --timeline 2")]
pub struct Arguments {
    /// Only runs with a gap before them
    #[arg(long)]
    gaps: bool,
    /// Only this timeline
    #[arg(long, value_name = "N", value_parser = argument::timeline_id)]
    timeline: Option<TimelineId>,
    #[command(flatten)]
    place: RepositoryArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let request = list::Request { gaps: self.gaps, timeline: self.timeline };
        let outcome = list::run(&session.reading_context(&self.place)?, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
