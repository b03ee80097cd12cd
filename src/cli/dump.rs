//! `pgcairn dump`

mod list;
mod restore;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::notifier::RunName;
use super::session::Session;
use super::{Status, argument};
use crate::operation;

/// Dump databases of the live server logically, each under one snapshot
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  pgcairn dump                      every database, and the roles
  pgcairn dump shop 'crm_*' --exclude crm_test
  pgcairn dump --schema-only --label reason=\"before the migration\"
  pgcairn dump list"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    make: Make,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(list::Show),
    Restore(restore::Arguments),
}

#[derive(Debug, Args)]
struct Make {
    /// Names of databases, or patterns with * and ? [default: those of [dump], else all]
    #[arg(value_name = "DATABASE")]
    databases: Vec<String>,
    /// Leave out databases that fit; may be repeated
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// No rows
    #[arg(long)]
    schema_only: bool,
    /// Remember a pair with the dump; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = argument::label)]
    labels: Vec<(String, String)>,
    /// Keep the dump whatever [dump.retention] says, for this reason
    #[arg(long, value_name = "REASON", value_parser = argument::reason)]
    hold: Option<String>,
    /// How long to wait for each lock that somebody else has [default: as [dump] says, else 5min]
    #[arg(long, value_name = "TIME", value_parser = argument::lock_timeout)]
    lock_timeout: Option<Duration>,
    /// Where pg_dump is [default: PATH and where packages put it]
    #[arg(long, value_name = "DIR")]
    bindir: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        match self.command {
            None => self.make.run(session),
            Some(Command::List(arguments)) => arguments.run(session),
            Some(Command::Show(arguments)) => arguments.run(session),
            Some(Command::Restore(arguments)) => arguments.run(session),
        }
    }

    pub fn run_name(&self) -> Option<RunName> {
        self.command.is_none().then(|| RunName::of("dump"))
    }

    /// Long work speaks JSON lines.
    pub fn is_long(&self) -> bool {
        matches!(self.command, None | Some(Command::Restore(_)))
    }
}

impl Make {
    fn run(self, session: &Session) -> Status {
        let Make { mut databases, mut exclude, schema_only, labels, hold, lock_timeout, bindir } = self;
        let labels: BTreeMap<String, String> = argument::distinct_labels(labels)?;
        let context = session.keeping_context()?;
        let configured = context.config.dump.clone().unwrap_or_default();
        // Whoever names databases means those.
        if databases.is_empty() {
            databases = configured.databases;
            exclude.extend(configured.exclude);
        }
        let lock_timeout = lock_timeout.unwrap_or(configured.lock_timeout);
        let request = operation::dump::Request { databases, exclude, schema_only, labels, hold, lock_timeout, bindir };
        let outcome = operation::dump::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
