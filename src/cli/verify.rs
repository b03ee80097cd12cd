//! `pgcairn verify`

use clap::Args;

use super::job::{Name, is_one};
use super::session::{IdentityArguments, LookingArguments, Session};
use super::{Status, argument};
use crate::model::selector::Selector;
use crate::operation;

/// Read everything and compare it with what the backups say; with a key what is in it, too
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn verify                    every backup and all WAL of every repository
  pgcairn verify latest             one backup, with the WAL that it needs
  pgcairn verify --repository offsite
  pgcairn verify --identity FILE    opens everything, compares every block, looks at every page checksum
  pgcairn verify --json | jq '.repositories[].damaged'")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before [default: all]
    #[arg(value_name = "ID", value_parser = argument::selector)]
    backup: Option<Selector>,
    /// Leave everything closed, though a key is at hand
    #[arg(long, conflicts_with = "identity")]
    keyless: bool,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    look: LookingArguments,
}

impl Arguments {
    pub fn job(&self) -> Option<Name> {
        let name = Name::of("verify").word(self.backup.as_ref()).option("--repository", self.look.repository());
        Some(name).filter(|_| !is_one(&self.backup))
    }

    pub fn run(self, session: &Session) -> Status {
        let key = Some(&self.key).filter(|_| !self.keyless);
        let context = session.verifying_context(&self.look, key)?;
        let request = operation::verify::Request { backup: self.backup, keyless: self.keyless };
        let outcome = operation::verify::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
