//! `pgcairn show`

use clap::Args;

use super::session::{LookingArguments, Session};
use super::{Status, argument};
use crate::model::selector::Selector;
use crate::operation;

/// Show one backup in full; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn show latest
  pgcairn show latest~1             the one before
  pgcairn show 20261120T03          any unique beginning of an id")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before
    #[arg(value_name = "ID", value_parser = argument::selector)]
    backup: Selector,
    #[command(flatten)]
    look: LookingArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let context = session.looking_context(&self.look)?;
        let request = operation::show::Request { backup: self.backup };
        let outcome = operation::show::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
