//! Arguments -> operation -> report. No logic.

mod argument;
mod backup;
mod check;
mod completions;
mod config;
mod copy;
mod demo;
mod drill;
mod dump;
mod exit;
mod expire;
mod help;
mod hold;
mod init;
mod key;
mod list;
mod man;
mod metrics;
mod notifier;
mod notify;
mod ownership;
mod prompt;
mod recovery_sheet;
mod restore;
mod schedule;
mod session;
mod show;
mod signal;
mod status;
mod time;
mod verify;
mod wal;

use std::cell::Cell;
use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::error::{Code, Error};
use crate::report::{Output, Report};
use exit::{Ended, Protocol};
use session::{Globals, Session};

/// Encrypted PostgreSQL backups, WAL archiving and point-in-time recovery
#[derive(Debug, Parser)]
#[command(
    name = "pgcairn",
    version,
    max_term_width = 100,
    infer_long_args = false,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub struct Arguments {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pgcairn help incident             what to do when it has happened
  pgcairn demo                      the main job on a throw-away server, in a minute
  pgcairn key generate --output ~/pgcairn-identity.txt
  pgcairn init                      make the repository, print the lines for postgresql.conf
  pgcairn backup                    a full backup of the running server
  pgcairn restore --target-dir /srv/restored --to '10 minutes ago'";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Check(check::Arguments),
    Status(status::Arguments),
    Metrics(metrics::Arguments),
    Verify(verify::Arguments),
    Backup(backup::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Restore(restore::Arguments),
    Expire(expire::Arguments),
    Hold(hold::Arguments),
    Release(hold::Release),
    Undelete(hold::Undelete),
    #[command(subcommand)]
    Wal(wal::Command),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Notify(notify::Command),
    #[command(subcommand)]
    Schedule(schedule::Command),
    Copy(copy::Arguments),
    Drill(drill::Arguments),
    Dump(dump::Arguments),
    RecoverySheet(recovery_sheet::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Demo(demo::Arguments),
    Help(help::Arguments),
}

pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let protocol = Cell::new(Protocol::of_words(&words));
    exit::guarded(&protocol, || {
        signal::watch_for_server(protocol.get());
        ownership::let_readers_read(protocol.get());
        match Arguments::try_parse_from(&words) {
            Ok(arguments) => {
                protocol.set(arguments.command.protocol());
                run(arguments, protocol.get())
            }
            Err(usage) => exit::usage(protocol.get(), &words, &usage),
        }
    })
}

fn run(Arguments { globals, command }: Arguments, protocol: Protocol) -> Ended {
    let name = command.run_name();
    let session = Session::new(globals, protocol, command.is_long(), name);
    let came_to = panic::catch_unwind(AssertUnwindSafe(|| command.run(&session))).unwrap_or_else(|panic| {
        session.notifier.panicked(&session.output);
        panic::resume_unwind(panic)
    });
    let ended = match &came_to {
        Ok(ending) => Ended::Itself(ending.status),
        Err(error) => Ended::Failed(session.output.error(error)),
    };
    session.notifier.ended(&came_to, &session.output);
    ended
}

/// What every command gives: how it ended after its result was said, or what went wrong.
type Status = Result<Ending, Error>;

/// The end of a command that came to a result.
struct Ending {
    status: u8,
    /// What is wrong with the result, in the words that were said.
    flaw: Option<(Code, String)>,
}

impl Ending {
    /// Nothing is wrong, whatever the status says.
    fn with(status: u8) -> Ending {
        Ending { status, flaw: None }
    }
}

impl Command {
    fn run(self, session: &Session) -> Status {
        match self {
            Command::Init(arguments) => arguments.run(session),
            Command::Check(arguments) => arguments.run(session),
            Command::Status(arguments) => arguments.run(session),
            Command::Metrics(arguments) => arguments.run(session),
            Command::Verify(arguments) => arguments.run(session),
            Command::Backup(arguments) => arguments.run(session),
            Command::List(arguments) => arguments.run(session),
            Command::Show(arguments) => arguments.run(session),
            Command::Restore(arguments) => arguments.run(session),
            Command::Expire(arguments) => arguments.run(session),
            Command::Hold(arguments) => arguments.run(session),
            Command::Release(arguments) => arguments.run(session),
            Command::Undelete(arguments) => arguments.run(session),
            Command::Wal(command) => command.run(session),
            Command::Key(command) => command.run(session),
            Command::Config(command) => command.run(session),
            Command::Notify(command) => command.run(session),
            Command::Schedule(command) => command.run(session),
            Command::Copy(arguments) => arguments.run(session),
            Command::Drill(arguments) => arguments.run(session),
            Command::Dump(arguments) => arguments.run(session),
            Command::RecoverySheet(arguments) => arguments.run(session),
            Command::Completions(arguments) => arguments.run(session),
            Command::Man(arguments) => arguments.run(session),
            Command::Demo(arguments) => arguments.run(session),
            Command::Help(arguments) => arguments.run(session),
        }
    }

    /// What others are told of.
    fn run_name(&self) -> Option<notifier::RunName> {
        match self {
            Command::Backup(_) => Some(notifier::RunName::of("backup")),
            Command::Expire(arguments) => arguments.run_name(),
            Command::Copy(arguments) => arguments.run_name(),
            Command::Verify(arguments) => arguments.run_name(),
            Command::Drill(arguments) => Some(arguments.run_name()),
            Command::Dump(arguments) => arguments.run_name(),
            _ => None,
        }
    }

    /// Who reads the exit status.
    fn protocol(&self) -> Protocol {
        match self {
            Command::Wal(command) => command.protocol(),
            Command::Status(arguments) if arguments.is_monitored() => Protocol::Monitor,
            _ => Protocol::Person,
        }
    }

    /// Long work speaks JSON lines, all else one object.
    fn is_long(&self) -> bool {
        match self {
            Command::Dump(arguments) => arguments.is_long(),
            Command::Backup(_) | Command::Restore(_) | Command::Drill(_) | Command::Demo(_) => true,
            _ => false,
        }
    }
}

impl Output {
    /// The end of every command.
    fn done<R: Report>(&self, report: &R) -> Status {
        let status = self.result(report);
        Ok(Ending { status, flaw: report.flaw().map(|code| (code, report.human())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn runs_with_different_places_are_different_runs() {
        let name = |words: &str| {
            let arguments = Arguments::try_parse_from(words.split(' ')).unwrap();
            arguments.command.run_name().map(|name| name.to_string())
        };
        for (words, wanted) in [
            ("pgcairn backup --label a=b", Some("backup")),
            ("pgcairn expire", Some("expire")),
            ("pgcairn expire --dry-run", None),
            ("pgcairn expire --now --yes --repository offsite", Some("expire --repository offsite")),
            ("pgcairn copy --all", Some("copy --all")),
            ("pgcairn copy --all --to offsite", Some("copy --all --to offsite")),
            ("pgcairn copy latest~1 --to offsite", Some("copy latest~1 --to offsite")),
            ("pgcairn copy 20261120T --to offsite", None),
            ("pgcairn verify 20261120T", None),
            ("pgcairn verify", Some("verify")),
            ("pgcairn verify latest --repository offsite", Some("verify latest --repository offsite")),
            ("pgcairn status", None),
            ("pgcairn notify test", None),
        ] {
            assert_eq!(name(words).as_deref(), wanted, "{words}");
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_has_examples() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Examples:\n"), "{path}");
            assert!(command.get_about().is_some(), "{path}");
            command.get_subcommands().for_each(|command| look(command, &path));
        }
        look(&Arguments::command(), "");
    }
}
