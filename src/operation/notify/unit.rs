//! What systemd knows of a run that ended otherwise than by telling of it: killed, out of memory, out of time, or over
//! before anybody could be told.

use jiff::Timestamp;

use super::{Context, Ended, Run, ended};
use crate::model::error::{Code, Result};
use crate::model::schedule::Job;
use crate::operation::last_runs::LastRuns;
use crate::operation::metrics;
use crate::report::notify::NotifyFailed;

/// Of the own unit (`systemd.exec(5)`), and of the one whose failure started it.
const INVOCATION: &str = "INVOCATION_ID";
const FAILED_INVOCATION: &str = "MONITOR_INVOCATION_ID";
const RESULT: &str = "MONITOR_SERVICE_RESULT";
const EXIT_CODE: &str = "MONITOR_EXIT_CODE";
const EXIT_STATUS: &str = "MONITOR_EXIT_STATUS";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// By which a run of a unit is told from every other.
pub fn own_invocation() -> Option<String> {
    variable(INVOCATION)
}

/// A unit that failed, as systemd from version 251 on tells of it; before it tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedUnit {
    pub invocation: Option<String>,
    /// Such as `timeout`, `oom-kill`, `signal`, `exit-code`.
    pub result: Option<String>,
    /// `exited`, `killed` or `dumped`.
    pub exit_code: Option<String>,
    /// A number, or the name of a signal.
    pub exit_status: Option<String>,
}

impl FailedUnit {
    pub fn of_environment() -> FailedUnit {
        FailedUnit {
            invocation: variable(FAILED_INVOCATION),
            result: variable(RESULT),
            exit_code: variable(EXIT_CODE),
            exit_status: variable(EXIT_STATUS),
        }
    }

    fn reason(&self) -> String {
        let status = self.exit_status.as_deref().unwrap_or("unknown");
        let ending = match self.exit_code.as_deref() {
            Some("exited") => format!("it ended with status {status}"),
            Some("killed") => format!("it was killed by signal {status}"),
            Some("dumped") => format!("it crashed with signal {status}"),
            _ => "how it ended is not known".to_owned(),
        };
        match self.result.as_deref() {
            None | Some("exit-code" | "signal" | "core-dump") => ending,
            Some("timeout") => format!("it ran out of time, and {ending}"),
            Some("oom-kill") => format!("memory ran out, and {ending}"),
            Some(other) => format!("systemd says {other}; {ending}"),
        }
    }

    /// Of those with its exit status the first; systemd has statuses of its own.
    fn code(&self) -> Code {
        let status: Option<u8> = self.exit_status.as_deref().and_then(|status| status.parse().ok());
        let of_status = || Code::ALL.iter().copied().find(|code| Some(code.exit_status()) == status);
        if self.exit_code.as_deref() == Some("exited") { of_status().unwrap_or(Code::Io) } else { Code::Interrupted }
    }
}

/// Tells whom it may concern that `job` failed, but for what the job has told itself.
pub fn failed(context: &Context, job: Job, unit: &FailedUnit) -> Result<NotifyFailed> {
    let config = &context.config;
    let run = Run { verb: job.name(), name: job.command().to_owned(), began: None };
    let cluster = config.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let reason = unit.reason();
    let result = NotifyFailed { cluster, command: run.name.clone(), reason, told_before: false, warnings: Vec::new() };
    if has_told(context, &run, unit) {
        return Ok(NotifyFailed { told_before: true, ..result });
    }
    let journal = config.file.as_ref().and_then(|file| file.file_stem()).unwrap_or_default().to_string_lossy();
    let message = format!("error: {}\nhint: journalctl -u {}", result.reason, job.service(&journal));
    let ended_so =
        Ended { at: Timestamp::now(), failure: Some((unit.code(), message)), invocation: unit.invocation.clone() };
    let mut warnings = ended(config, &run, &ended_so);
    warnings.extend(metrics::ended(config, None));
    Ok(NotifyFailed { warnings: warnings.into_iter().map(|error| context.addressed_error(error)).collect(), ..result })
}

/// The very run that failed has written down how it ended, and so has told of it.
fn has_told(context: &Context, run: &Run, unit: &FailedUnit) -> bool {
    let last = || LastRuns::of(&context.config).last(&run.name).ok().flatten();
    unit.invocation.as_ref().is_some_and(|failed| last().is_some_and(|last| last.invocation.as_ref() == Some(failed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_words() {
        let unit = |result: &str, code: &str, status: &str| FailedUnit {
            invocation: None,
            result: Some(result.to_owned()),
            exit_code: Some(code.to_owned()),
            exit_status: Some(status.to_owned()),
        };
        for (unit, words, code) in [
            (unit("timeout", "killed", "TERM"), "it ran out of time, and it was killed by signal TERM", "interrupted"),
            (unit("oom-kill", "killed", "KILL"), "memory ran out, and it was killed by signal KILL", "interrupted"),
            (unit("signal", "killed", "KILL"), "it was killed by signal KILL", "interrupted"),
            (unit("core-dump", "dumped", "SEGV"), "it crashed with signal SEGV", "interrupted"),
            (unit("exit-code", "exited", "9"), "it ended with status 9", "identity"),
            (unit("exit-code", "exited", "243"), "it ended with status 243", "io"),
            (unit("resources", "", ""), "systemd says resources; how it ended is not known", "interrupted"),
            (FailedUnit::default(), "how it ended is not known", "interrupted"),
        ] {
            assert_eq!((unit.reason().as_str(), unit.code().name()), (words, code), "{unit:?}");
        }
    }
}
