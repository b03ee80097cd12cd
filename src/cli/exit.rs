//! Exit statuses. PostgreSQL reads those of `wal push` and `wal fetch`, so they are guarded against
//! everything: usage errors, configurations that cannot be read, panics.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::model::error::{Code, Error};
use crate::model::wal_name::WalName;
use crate::report::output::{to_stderr, to_stdout};
use crate::report::{Format, Manner, Output, colors};

/// What `wal fetch` may say beside a failure.
pub const DELIVERED: u8 = 0;
pub const PROVEN_ABSENT: u8 = 1;

/// Above 125 PostgreSQL ends recovery with FATAL (`wait_result_is_any_signal` in
/// `RestoreArchivedFile`); at or below it takes a file for absent and opens the database. Not 143,
/// which reads as a shutdown that was asked for, and nothing that a signal's number gives.
const FETCH_FAILED: u8 = 126;

/// A standby asks again, and must not be stopped by a passing fault.
const STANDBY_FETCH_FAILED: u8 = 125;

/// Above it the archiver dies instead of counting a failure (`pgarch_archiveXlog`).
const MAX_PUSH_STATUS: u8 = 125;

const PUSH_FAILED: u8 = 1;

/// What cannot be found out is no warning and not critical.
const NOT_KNOWN: u8 = 3;

/// Who reads the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Person,
    /// Nagios, or what reads plugins as it does.
    Monitor,
    Push,
    Fetch {
        standby: bool,
    },
}

impl Protocol {
    /// Found by looking at the words alone, before anything can fail. In doubt it is `wal fetch`: a
    /// misspelt restore_command too must not look like the end of the archive. What is certain of one is
    /// its `%f`, the bare name of a WAL file.
    pub fn of_words(arguments: &[OsString]) -> Protocol {
        let words = || arguments.iter().skip(1).filter_map(|word| word.to_str());
        let has = |wanted: &str| words().any(|word| word == wanted);
        let pushes = has("wal") && has("push");
        let fetches = has("fetch") || words().any(|word| word.parse::<WalName>().is_ok());
        match (pushes, fetches) {
            (true, _) if !has("fetch") => Protocol::Push,
            (_, true) => Protocol::Fetch { standby: has("--standby") },
            _ if has("status") && has("--exit-code") => Protocol::Monitor,
            _ => Protocol::Person,
        }
    }

    /// Standard output and error, as fits who reads them.
    pub fn output(self, format: Format, quiet: bool) -> Output {
        Output::new(Manner { format, quiet, in_server_log: self.is_called_by_server() })
    }

    /// PostgreSQL reads the exit status, and standard error is its log.
    pub fn is_called_by_server(self) -> bool {
        matches!(self, Protocol::Push | Protocol::Fetch { .. })
    }

    /// The status of a run that a signal cut off.
    pub fn interrupted(self) -> u8 {
        self.status(Ended::Failed(Code::Interrupted.exit_status()))
    }

    /// Keeps every status within what this protocol allows. `usual` comes from a command that ran to
    /// its own end.
    fn status(self, usual: Ended) -> u8 {
        match (self, usual) {
            (Protocol::Person, Ended::Itself(status) | Ended::Failed(status)) => status,
            (Protocol::Monitor, Ended::Itself(status @ ..=NOT_KNOWN)) => status,
            (Protocol::Monitor, _) => NOT_KNOWN,
            (Protocol::Push, Ended::Itself(0)) => 0,
            (Protocol::Push, Ended::Itself(status) | Ended::Failed(status)) => match status {
                1..=MAX_PUSH_STATUS => status,
                _ => PUSH_FAILED,
            },
            (Protocol::Fetch { .. }, Ended::Itself(status @ (DELIVERED | PROVEN_ABSENT))) => status,
            (Protocol::Fetch { standby: false }, _) => FETCH_FAILED,
            (Protocol::Fetch { standby: true }, _) => STANDBY_FETCH_FAILED,
        }
    }
}

/// How a command came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its operation returned a result.
    Itself(u8),
    /// Anything else.
    Failed(u8),
}

/// Runs a command; a panic becomes a failure of the protocol that was known by then.
pub fn guarded(protocol: &Cell<Protocol>, command: impl FnOnce() -> Ended) -> ExitCode {
    panic::set_hook(Box::new(say_panic));
    let ended = panic::catch_unwind(AssertUnwindSafe(command));
    let ended = ended.unwrap_or(Ended::Failed(Code::Internal.exit_status()));
    ExitCode::from(protocol.get().status(ended))
}

fn say_panic(info: &panic::PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let reason = text.unwrap_or("no reason given");
    let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
    to_stderr(&format!("error: a bug in pgcairn{place}: {reason}\nhint: please report it with this line\n"));
}

/// What clap has to say. Help that PostgreSQL asked for in place of a file is a failure.
pub fn usage(protocol: Protocol, arguments: &[OsString], said: &clap::Error) -> Ended {
    let colored = |terminal: bool| {
        let text = said.render();
        if terminal && colors() { text.ansi().to_string() } else { text.to_string() }
    };
    match said.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            to_stdout(&colored(io::stdout().is_terminal()));
            let called_by_server = protocol.is_called_by_server() && arguments.iter().any(|word| is_wal_name(word));
            if called_by_server { Ended::Failed(Code::Usage.exit_status()) } else { Ended::Itself(0) }
        }
        _ if arguments.iter().any(|word| word == "--json") => {
            Ended::Failed(protocol.output(Format::Json, true).error(&as_error(said, arguments)))
        }
        _ => {
            to_stderr(&colored(io::stderr().is_terminal()));
            Ended::Failed(Code::Usage.exit_status())
        }
    }
}

/// The first paragraph of clap's words is the fact.
fn as_error(said: &clap::Error, arguments: &[OsString]) -> Error {
    let text = said.render().to_string();
    let fact = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let fact: Vec<&str> = fact.split_whitespace().collect();
    Error::new(Code::Usage, fact.join(" ")).hint(format!("{} --help", command_of(arguments)))
}

/// The command that was meant, as far as the words name one.
fn command_of(arguments: &[OsString]) -> String {
    let mut command = super::Arguments::command();
    command.build();
    let mut name = command.get_name().to_owned();
    for word in arguments.iter().skip(1) {
        let Some(found) = word.to_str().and_then(|word| command.find_subcommand(word)).cloned() else { continue };
        name = format!("{name} {}", found.get_name());
        command = found;
    }
    name
}

fn is_wal_name(word: &OsStr) -> bool {
    let last = word.to_str().and_then(|path| path.rsplit('/').next());
    last.is_some_and(|name| name.parse::<WalName>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Protocol {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        Protocol::of_words(&words)
    }

    #[test]
    fn in_doubt_the_words_are_a_restore_command() {
        let fetch = Protocol::Fetch { standby: false };
        for words in [
            "pgcairn wal fetch 000000010000000000000001 pg_wal/RECOVERYXLOG",
            "pgcairn wal fech 000000010000000000000001 pg_wal/RECOVERYXLOG",
            "pgcairn fetch 00000002.history pg_wal/RECOVERYHISTORY",
            "pgcairn --bogus wal fetch",
            "pgcairn wal push fetch 00000002.history",
        ] {
            assert_eq!(of(words), fetch, "{words}");
        }
        assert_eq!(of("pgcairn wal fetch --standby 00000002.history p"), Protocol::Fetch { standby: true });
        assert_eq!(of("pgcairn wal push pg_wal/000000010000000000000001"), Protocol::Push);
        assert_eq!(of("pgcairn backup"), Protocol::Person);
        assert_eq!(of("pgcairn status --exit-code --wiat 5s"), Protocol::Monitor);
        assert_eq!(of("pgcairn status"), Protocol::Person);
    }

    #[test]
    fn only_a_result_of_its_own_makes_fetch_say_absent() {
        let fetch = Protocol::Fetch { standby: false };
        let standby = Protocol::Fetch { standby: true };
        for status in 0..=u8::MAX {
            let own = if status <= 1 { status } else { 126 };
            assert_eq!(fetch.status(Ended::Itself(status)), own);
            assert_eq!(fetch.status(Ended::Failed(status)), 126);
            assert_eq!(standby.status(Ended::Failed(status)), 125);
            assert!((1..=125).contains(&Protocol::Push.status(Ended::Failed(status))));
            assert_eq!(Protocol::Push.status(Ended::Itself(status)) == 0, status == 0);
            assert_eq!(Protocol::Person.status(Ended::Failed(status)), status);
            assert_eq!(Protocol::Monitor.status(Ended::Itself(status)), status.min(3));
            assert_eq!(Protocol::Monitor.status(Ended::Failed(status)), 3);
        }
    }

    #[test]
    fn a_panic_is_a_failure_of_the_protocol() {
        let protocol = Cell::new(Protocol::Fetch { standby: false });
        let status = guarded(&protocol, || panic!("never mind"));
        let _ = panic::take_hook();
        assert_eq!(format!("{status:?}"), format!("{:?}", ExitCode::from(126)));
    }
}
