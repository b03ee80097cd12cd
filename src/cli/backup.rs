//! `pgcairn backup`

use clap::Args;

use super::session::Session;
use super::{Status, argument};
use crate::operation;

/// Back up the running cluster
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn backup
  pgcairn backup --label ticket=1234 --label reason='before the upgrade'
  pgcairn backup --hold 'before the upgrade'
  pgcairn -c staging backup --json | tail -n 1 | jq -r .id")]
pub struct Arguments {
    /// Remember a pair with the backup; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = argument::label)]
    labels: Vec<(String, String)>,
    /// Keep this backup whatever [retention] says, until it is released
    #[arg(long, value_name = "REASON", value_parser = argument::reason)]
    hold: Option<String>,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let labels = argument::distinct_labels(self.labels)?;
        let request = operation::backup::Request { labels, hold: self.hold };
        let outcome = operation::backup::run(&session.context()?, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
