//! `pgcairn dump list` and `pgcairn dump show`

use clap::Args;

use crate::cli::session::{IdentityArguments, LookingArguments, Session};
use crate::cli::{Status, argument};
use crate::model::selector::Selector;
use crate::operation;

/// List the dumps; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn dump list
  pgcairn dump list --held
  pgcairn dump list --json | jq -r '.dumps[-1].id'")]
pub struct List {
    /// Only those that expiry must keep
    #[arg(long)]
    held: bool,
    #[command(flatten)]
    look: LookingArguments,
}

impl List {
    pub fn run(self, session: &Session) -> Status {
        let request = operation::dump::list::Request { held: self.held };
        let outcome = operation::dump::list::run(&session.looking_context(&self.look)?, request, &session.output)?;
        session.output.done(&outcome)
    }
}

/// Show one dump; with the key also its tables and how many rows each has
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn dump show latest
  pgcairn dump show latest --identity /media/key/identity.txt")]
pub struct Show {
    /// Beginning of an id, "latest", or "latest~1" for the one before
    #[arg(value_name = "ID", value_parser = argument::selector)]
    dump: Selector,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    look: LookingArguments,
}

impl Show {
    pub fn run(self, session: &Session) -> Status {
        let context = session.looking_context_with_key(&self.look, &self.key)?;
        let outcome = operation::dump::list::show(&context, &self.dump, &session.output)?;
        session.output.done(&outcome)
    }
}
