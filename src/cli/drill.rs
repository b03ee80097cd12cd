//! `pgcairn drill`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::notifier::RunName;
use super::session::{IdentityArguments, RepositoryArguments, Session, TrustArguments};
use super::{Status, argument, time};
use crate::model::error::{Code, Error, Result};
use crate::model::selector::Selector;
use crate::model::timestamp::TimestampTz;
use crate::operation;
use crate::operation::drill::{Request, Target};
use crate::operation::restore::Start;

/// Restore, start and check a copy, and take it away again: what the backups are worth
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn drill                              all WAL there is
  pgcairn drill --to random --html drill.html
  pgcairn drill --repository offsite --scratch /srv/scratch
  pgcairn drill --backup latest --keep       that backup's own end; leave the copy for a look
  pgcairn drill --json | tail -n 1 | jq '.checks[] | select(.outcome == \"failed\")'")]
pub struct Arguments {
    /// A time, "random" for a moment of the newest window, or "latest" [default: latest; with --backup its own end]
    #[arg(long, value_name = "TIME|random|latest")]
    to: Option<String>,
    /// Begin with this backup
    #[arg(long, value_name = "ID", value_parser = argument::selector)]
    backup: Option<Selector>,
    /// Where the copy is made, with room for the cluster [default: scratch in [drill], else TMPDIR]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Also write the result as a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Leave the copy where it is, its server stopped
    #[arg(long)]
    keep: bool,
    /// For how long, altogether [default: limit in [drill], else 12h]
    #[arg(long, value_name = "DURATION", value_parser = argument::duration)]
    limit: Option<Duration>,
    /// Where initdb and postgres of the backup's major are
    #[arg(long, value_name = "DIR")]
    bindir: Option<PathBuf>,
    /// Restore a backup that nobody has signed, though keys are trusted
    #[arg(long)]
    accept_unsigned: bool,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    place: RepositoryArguments,
}

impl Arguments {
    pub fn run_name(&self) -> RunName {
        RunName::of("drill").option("--repository", self.place.repository())
    }

    pub fn run(self, session: &Session) -> Status {
        let target = self.target(session)?;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let scratch = self.scratch.map(absolute);
        let context = session.drilling_context(&self.place, &self.key, &self.trust)?;
        let request = Request {
            target,
            backup: self.backup,
            scratch: operation::scratch::directory(scratch, &context.config),
            start: Start { bindir: self.bindir.map(absolute), ..Start::default() },
            accept_unsigned: self.accept_unsigned,
            page: self.html.map(absolute),
            keep: self.keep,
            identity: self.key.file().map(Path::to_owned),
            limit: self.limit.unwrap_or(context.config.drill.limit),
        };
        let outcome = operation::drill::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }

    fn target(&self, session: &Session) -> Result<Target> {
        Ok(match self.to.as_deref() {
            None if self.backup.is_some() => Target::Backup,
            None | Some("latest") => Target::Latest,
            Some("random") if self.backup.is_some() => {
                return Err(Error::new(Code::Usage, "--to random chooses the backup itself")
                    .hint("leave out --backup, or name a time"));
            }
            Some("random") => Target::Random,
            Some(text) => Target::At(time::resolve(text, session.now).map(TimestampTz::from_jiff)?),
        })
    }
}
