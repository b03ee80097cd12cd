//! `pgcairn verify`

use clap::Args;

use super::notifier::{RunName, is_one};
use super::session::{IdentityArguments, LookingArguments, Session};
use super::{Status, argument};
use crate::model::selector::Selector;
use crate::operation;
use crate::operation::verify::{How, Request, Share};

/// Read everything and compare it with what the backups say; with a key what is in it, too
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn verify                    every backup and all WAL of every repository, but for what was read within 27 days
  pgcairn verify --all              that too
  pgcairn verify --sample 5%        a twentieth each time, and all of it in twenty times
  pgcairn verify latest             one backup, with the WAL that it needs
  pgcairn verify --repository offsite
  pgcairn verify --identity FILE    opens everything, compares every block, looks at every page checksum
  pgcairn verify --json | jq '.repositories[].damaged'")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before [default: all]
    #[arg(value_name = "ID", value_parser = argument::selector)]
    backup: Option<Selector>,
    /// Read all of it, though some was read not long ago [default with ID]
    #[arg(long, conflicts_with = "sample")]
    all: bool,
    /// Read only so much: what was read longest ago, or never. Runs one after the other come round to all of it
    #[arg(long, value_name = "PERCENT", value_parser = argument::share, conflicts_with = "backup")]
    sample: Option<Share>,
    /// Leave everything closed, though a key is at hand
    #[arg(long, conflicts_with = "identity")]
    keyless: bool,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    look: LookingArguments,
}

impl Arguments {
    pub fn run_name(&self) -> Option<RunName> {
        // A sample every day and all of it every month are two jobs.
        let sample = self.sample.map(|share| share.to_string());
        let name = RunName::of("verify")
            .option("--sample", sample.as_ref())
            .word(self.backup.as_ref())
            .option("--repository", self.look.repository());
        Some(name).filter(|_| !is_one(&self.backup))
    }

    pub fn run(self, session: &Session) -> Status {
        let key = Some(&self.key).filter(|_| !self.keyless);
        let context = session.verifying_context(&self.look, key)?;
        let how = match self.sample {
            Some(share) => How::Sample(share),
            None if self.all || self.backup.is_some() => How::All,
            None => How::Due,
        };
        let request = Request { backup: self.backup, keyless: self.keyless, how };
        let outcome = operation::verify::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
