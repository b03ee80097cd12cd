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
use crate::operation::drill::{Request, Target, What, Which};
use crate::operation::restore::Start;

/// Restore, start and check a copy, and take it away again: what backups and dumps are worth
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn drill                              all WAL there is; the newest dump
  pgcairn drill --to random --html drill.html
  pgcairn drill --repository offsite --scratch /srv/scratch
  pgcairn drill --backup latest --keep       that backup's own end; leave the copy for a look
  pgcairn drill --dump random                any dump, loaded into a server of its own
  pgcairn drill --json | tail -n 1 | jq '.checks[] | select(.outcome == \"failed\")'")]
pub struct Arguments {
    /// A time, "random" for a moment of the newest window, or "latest" [default: latest; with --backup its own end]
    #[arg(long, value_name = "TIME|random|latest")]
    to: Option<String>,
    /// Begin with this backup
    #[arg(long, value_name = "ID", value_parser = argument::selector)]
    backup: Option<Selector>,
    /// Load this dump, or the newest, or any, and no backup
    #[arg(
        long, value_name = "ID|latest|random", num_args = 0..=1, default_missing_value = "latest",
        value_parser = which, conflicts_with_all = ["to", "backup"]
    )]
    dump: Option<Which>,
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
    /// Where initdb and postgres of the backup's major are; for a dump, pg_restore and psql too
    #[arg(long, value_name = "DIR")]
    bindir: Option<PathBuf>,
    /// Restore what nobody has signed, though keys are trusted
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
        let dump = self.dump.as_ref().map(|_| "--dump");
        RunName::of("drill").word(dump.as_ref()).option("--repository", self.place.repository())
    }

    pub fn run(self, session: &Session) -> Status {
        let what = self.what(session)?;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let scratch = self.scratch.map(absolute);
        let context = session.drilling_context(&self.place, &self.key, &self.trust)?;
        let request = Request {
            what,
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

    fn what(&self, session: &Session) -> Result<What> {
        match (&self.dump, &self.to, &self.backup) {
            (Some(which), ..) => Ok(What::Dump(which.clone())),
            (None, None, None) => Ok(What::Everything),
            _ => Ok(What::Backup { target: self.target(session)?, backup: self.backup.clone() }),
        }
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

fn which(text: &str) -> std::result::Result<Which, String> {
    match text {
        "random" => Ok(Which::Random),
        name => argument::selector(name).map(Which::Named),
    }
}
