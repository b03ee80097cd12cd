//! `pgcairn restore`

mod table;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};

use super::session::{IdentityArguments, RepositoryArguments, Session, TrustArguments};
use super::{Status, argument, time};
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::plan::target::Target;
use crate::model::selector::Selector;
use crate::model::timestamp::TimestampTz;
use crate::operation;
use crate::operation::restore::{Action, Request, Start, TablespaceMapping, TimelineChoice};
use crate::operation::{restore_table, scratch};
use table::TableArguments;

/// Restore a data directory that recovers to a chosen moment, or single tables as they were then
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("target").args(["to", "to_lsn", "to_xid", "before_xid", "to_name"]),
    group = ArgGroup::new("server").args(["start", "table"]),
    group = ArgGroup::new("beginning").args(["to", "to_lsn", "to_xid", "before_xid", "to_name", "backup"]).required(true).multiple(true),
    after_help = "\
Examples:
  pgcairn restore --target-dir /srv/restored --to latest
  pgcairn restore --target-dir /srv/restored --to '2026-11-20 14:05:00 Europe/Berlin' --plan
  pgcairn restore --target-dir /srv/restored --to '10 minutes ago'
  pgcairn restore --target-dir /srv/restored --before-xid 731
  pgcairn restore --target-dir /srv/restored --backup latest     that backup's own end, no further
  pgcairn restore --target-dir /srv/restored --to '10 minutes ago' --start    and look at it, while the origin runs
  pgcairn restore --table app.public.orders --to '10 minutes ago' --into 'host=/var/run/postgresql user=postgres'
  pgcairn restore --table 'app.public.orders,app.\"My Schema\".items' --to latest --output rows.dump
  pgcairn restore --repository file:///mnt/copy --identity key.txt --target-dir /srv/restored --to latest")]
pub struct Arguments {
    /// Where the data directory is made; must be empty or absent
    #[arg(long, value_name = "DIR", required_unless_present = "table")]
    target_dir: Option<PathBuf>,
    /// Start from this backup; alone it means that backup's own end
    #[arg(long, value_name = "ID", value_parser = argument::selector)]
    backup: Option<Selector>,
    /// A time (RFC 3339, civil time with a zone, "10 minutes ago"), or "latest" for all WAL there is
    #[arg(long, value_name = "TIME|latest")]
    to: Option<String>,
    /// A WAL position
    #[arg(long, value_name = "LSN", value_parser = argument::lsn)]
    to_lsn: Option<Lsn>,
    /// A transaction, itself included
    #[arg(long, value_name = "XID", value_parser = argument::xid)]
    to_xid: Option<u32>,
    /// Everything before a transaction: the same as --to-xid with --exclusive
    #[arg(long, value_name = "XID", value_parser = argument::xid)]
    before_xid: Option<u32>,
    /// A restore point made with pg_create_restore_point
    #[arg(long, value_name = "NAME", value_parser = argument::restore_point)]
    to_name: Option<String>,
    /// Stop just before the target instead of just after it
    #[arg(long)]
    exclusive: bool,
    /// A timeline's number, "latest", or "current" for the backup's own [default: latest]
    #[arg(long, value_name = "TIMELINE", value_parser = argument::timeline)]
    timeline: Option<TimelineChoice>,
    /// What the server does at the target [default: pause; with --to latest: promote]
    #[arg(long, value_enum)]
    action: Option<ActionWord>,
    /// Put a tablespace elsewhere; may be repeated
    #[arg(long = "tablespace", value_name = "OLD=NEW", value_parser = argument::tablespace)]
    tablespaces: Vec<TablespaceMapping>,
    /// Print what would be done, write nothing
    #[arg(long)]
    plan: bool,
    /// Start a server on the copy, cut off from its origin, and leave it running
    #[arg(long, help_heading = "Looking at the copy")]
    start: bool,
    /// Let the started copy listen on 127.0.0.1 too, with the passwords of its roles
    #[arg(long, value_name = "N", requires = "start", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Looking at the copy")]
    port: Option<u16>,
    /// A library that the started copy loads into every process, such as one that its WAL needs; may be repeated
    #[arg(long, value_name = "LIBRARY", requires = "server", help_heading = "Looking at the copy")]
    preload: Vec<String>,
    /// Where initdb and postgres of the backup's major are
    #[arg(long, value_name = "DIR", requires = "server", help_heading = "Looking at the copy")]
    bindir: Option<PathBuf>,
    #[command(flatten)]
    tables: TableArguments,
    /// Workers [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU16>,
    #[command(flatten)]
    trust: TrustArguments,
    /// Restore a backup that nobody has signed, though keys are trusted
    #[arg(long)]
    accept_unsigned: bool,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    place: RepositoryArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ActionWord {
    Pause,
    Promote,
    Shutdown,
}

/// The word that asks for all WAL there is.
const LATEST: &str = "latest";

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        match &self.tables.table {
            Some(tables) => self.restore_tables(session, tables),
            None => self.restore(session),
        }
    }

    fn restore(&self, session: &Session) -> Status {
        let mut request = self.request(session)?;
        if let Some(start) = &mut request.start {
            start.asked_by_root = session.is_root();
        }
        say_moment(session, &request.target);
        let made = std::iter::once(&request.target_dir).chain(request.tablespaces.iter().map(|mapping| &mapping.new));
        let made = made.cloned().collect();
        let context = session.restoring_context(&self.place, &self.key, &self.trust, made, request.plan)?;
        let outcome = operation::restore::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }

    fn restore_tables(&self, session: &Session, tables: &table::Tables) -> Status {
        let target = self.target(session)?;
        let (to, timeline) = (self.tables.destination()?, self.timeline(&target)?);
        say_moment(session, &target);
        let context = session.copying_out_context(&self.place, &self.key, &self.trust)?;
        let request = restore_table::Request {
            tables: tables.0.clone(),
            to,
            target,
            timeline,
            backup: self.backup.clone(),
            scratch: scratch::directory(self.tables.scratch.as_deref().map(absolute), &context.config),
            start: self.how_to_start(),
            accept_unsigned: self.accept_unsigned,
            plan: self.plan,
            jobs: self.jobs,
            identity: self.key.file().map(Path::to_owned),
        };
        let outcome = restore_table::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }

    fn request(&self, session: &Session) -> Result<Request> {
        let target = self.target(session)?;
        Ok(Request {
            target_dir: self.target_dir()?,
            backup: self.backup.clone(),
            timeline: self.timeline(&target)?,
            action: self.action(&target)?,
            target,
            tablespaces: self.tablespaces.clone(),
            tablespaces_below: None,
            start: self.start()?,
            accept_unsigned: self.accept_unsigned,
            plan: self.plan,
            jobs: self.jobs,
            identity: self.key.file().map(Path::to_owned),
        })
    }

    /// clap has seen to it that there is one.
    fn target_dir(&self) -> Result<PathBuf> {
        let said = self.target_dir.as_ref().ok_or_else(|| usage("it is not said where to: --target-dir DIR"))?;
        std::path::absolute(said).map_err(|e| usage(format!("--target-dir: {e}")))
    }

    fn start(&self) -> Result<Option<Start>> {
        if self.start && matches!(self.action, Some(ActionWord::Shutdown)) {
            return Err(usage("--action shutdown leaves no server to look at, which --start is for"));
        }
        Ok(self.start.then(|| self.how_to_start()))
    }

    fn how_to_start(&self) -> Start {
        let bindir = self.bindir.as_deref().map(absolute);
        Start { bindir, port: self.port, preload: self.preload.clone(), asked_by_root: false }
    }

    /// clap has seen to it that there is one target at most, and a backup where there is none.
    fn target(&self, session: &Session) -> Result<Target> {
        let inclusive = !self.exclusive;
        let target = match self {
            Arguments { to: Some(word), .. } if word == LATEST => Target::Latest,
            Arguments { to: Some(text), .. } => {
                Target::Time { at: time::resolve(text, session.now).map(TimestampTz::from_jiff)?, inclusive }
            }
            Arguments { to_lsn: Some(at), .. } => Target::Lsn { at: *at, inclusive },
            Arguments { to_xid: Some(xid), .. } => Target::Xid { xid: *xid, inclusive },
            Arguments { before_xid: Some(xid), .. } => Target::Xid { xid: *xid, inclusive: false },
            Arguments { to_name: Some(name), .. } => Target::Name(name.clone()),
            _ => Target::Immediate,
        };
        let can_exclude = matches!(target, Target::Time { .. } | Target::Lsn { .. } | Target::Xid { .. });
        if self.exclusive && !can_exclude {
            return Err(usage("--exclusive needs a time, an LSN or a transaction to stop before"));
        }
        Ok(target)
    }

    /// With `immediate` PostgreSQL would follow another timeline past the end of the backup's own.
    fn timeline(&self, target: &Target) -> Result<TimelineChoice> {
        match (target, self.timeline) {
            (Target::Immediate, Some(TimelineChoice::Latest | TimelineChoice::Id(_))) => {
                Err(usage("--backup alone ends on the backup's own timeline, --timeline needs a --to"))
            }
            (target, choice) => Ok(choice.unwrap_or(TimelineChoice::of(target))),
        }
    }

    fn action(&self, target: &Target) -> Result<Action> {
        match (target, self.action) {
            (Target::Latest, None | Some(ActionWord::Promote)) => Ok(Action::Promote),
            (Target::Latest, Some(_)) => {
                Err(usage("--to latest has no target to act at: it promotes at the end of WAL"))
            }
            (_, None | Some(ActionWord::Pause)) => Ok(Action::Pause),
            (_, Some(ActionWord::Promote)) => Ok(Action::Promote),
            (_, Some(ActionWord::Shutdown)) => Ok(Action::Shutdown),
        }
    }
}

/// Root may be somewhere that the owner may not enter.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn say_moment(session: &Session, target: &Target) {
    if let Target::Time { at, .. } = target
        && let Some(at) = at.to_jiff()
    {
        session.say(format!("target: {}", crate::report::text::utc_and_local(at)));
    }
}

fn usage(message: impl Into<String>) -> Error {
    Error::new(Code::Usage, message).hint("pgcairn restore --help")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{self, Command, exit::Protocol};

    fn request(line: &str) -> Request {
        let script = format!("printf '%s\\0' pgcairn restore {line}");
        let split = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(split.stdout).unwrap();
        let parsed = cli::Arguments::try_parse_from(words.trim_end_matches('\0').split('\0')).unwrap();
        let Command::Restore(arguments) = parsed.command else { panic!("{line}") };
        arguments.request(&Session::new(parsed.globals, Protocol::Person, true, None)).unwrap()
    }

    #[test]
    fn a_plan_ends_with_the_command_that_carries_it_out() {
        for line in [
            "--target-dir /a --to latest",
            "--target-dir '/it'\\''s here' --to '10 minutes ago' --exclusive --identity 'my key'",
            "--target-dir /a --to '2026-11-20 14:05:00.123456 Europe/Berlin' --timeline current --action promote",
            "--target-dir /a --backup latest~1 --action shutdown --jobs 3",
            "--target-dir /a --before-xid 731 --backup 2026 --timeline 0xA",
            "--target-dir /a --to-name 'before the; deploy' --tablespace '/a\\=b=/c d' --tablespace /e=/f",
            "--target-dir /a --to-lsn 1/2A --accept-unsigned",
            "--target-dir /a --to latest --start --port 5499 --preload timescaledb --preload b --bindir '/usr/l b/bin'",
        ] {
            let planned = request(&format!("{line} --plan"));
            let again = request(&operation::restore::arguments(&planned));
            assert_eq!(again, Request { plan: false, ..planned }, "{line}");
        }
    }
}
