//! `pgcairn copy`

use clap::{ArgGroup, Args};

use super::notifier::{RunName, is_one};
use super::session::Session;
use super::{Status, argument};
use crate::model::selector::Selector;
use crate::operation;
use crate::operation::copy::{Request, What};

/// Bring backups, WAL and dumps from the other repositories into one; needs no key
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true)))]
#[command(after_help = "\
Examples:
  pgcairn copy --all                brings every repository but the first up, those with required = false too
  pgcairn copy --all --to offsite
  pgcairn copy latest --to offsite
  pgcairn copy --all --to local     the first gets back what it has lost")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before
    #[arg(value_name = "ID", group = "what", value_parser = argument::selector)]
    backup: Option<Selector>,
    /// All that the repository should have: backups by its retention and keep, what those that are there have lost, and
    /// the WAL between them
    #[arg(long, group = "what")]
    all: bool,
    /// The name of the repository to bring up [default: every one but the first]
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
}

impl Arguments {
    pub fn run_name(&self) -> Option<RunName> {
        let what = self.backup.as_ref().map_or("--all".to_owned(), ToString::to_string);
        Some(RunName::of("copy").word(Some(&what)).option("--to", self.to.as_ref())).filter(|_| !is_one(&self.backup))
    }

    pub fn run(self, session: &Session) -> Status {
        let what = self.backup.map_or(What::All, What::One);
        let request = Request { what, to: self.to };
        session.output.done(&operation::copy::run(&session.keeping_context()?, &request, &session.output)?)
    }
}
