//! `pgcairn hold`, `pgcairn release`, `pgcairn undelete`

use clap::Args;

use super::session::{OneRepository, Session};
use super::{Status, argument, time};
use crate::model::selector::Selector;
use crate::operation;

/// Keep a backup or dump whatever retention says; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn hold latest --reason 'before the upgrade'
  pgcairn hold 20261120T03 --reason 'case 4711' --until 2027-06-30T00:00:00Z
  pgcairn list --held")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before
    #[arg(value_name = "ID", value_parser = argument::selector)]
    backup: Selector,
    /// Why, for whoever finds it
    #[arg(long, value_name = "TEXT", value_parser = argument::reason)]
    reason: String,
    /// When the hold ends by itself: a time, or 30d from now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    place: OneRepository,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let until = self.until.map(|text| time::resolve_ahead(&text, session.now)).transpose()?;
        let request = operation::hold::Request { backup: self.backup, reason: self.reason, until };
        session.output.done(&operation::hold::run(&session.context_of(&self.place)?, &request, &session.output)?)
    }
}

/// End the hold of a backup or dump
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn release 20261120T03       any unique beginning of an id
  pgcairn expire --dry-run          what becomes of it then")]
pub struct Release {
    /// Beginning of the id of a held backup or dump, or "latest": the newest backup that is held
    #[arg(value_name = "ID", value_parser = argument::selector)]
    backup: Selector,
    #[command(flatten)]
    place: OneRepository,
}

impl Release {
    pub fn run(self, session: &Session) -> Status {
        session.output.done(&operation::hold::release(
            &session.context_of(&self.place)?,
            &self.backup,
            &session.output,
        )?)
    }
}

/// Bring back a backup or dump that expire dropped within the last 7 days
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn undelete 20261120T03      any unique beginning of an id
  pgcairn hold 20261120T03 --reason 'still needed'")]
pub struct Undelete {
    /// Beginning of the id of a dropped backup or dump, or "latest": the newest backup that was dropped
    #[arg(value_name = "ID", value_parser = argument::selector)]
    backup: Selector,
    #[command(flatten)]
    place: OneRepository,
}

impl Undelete {
    pub fn run(self, session: &Session) -> Status {
        session.output.done(&operation::expire::undelete::run(&session.context_of(&self.place)?, &self.backup)?)
    }
}
