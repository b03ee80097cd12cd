//! What the `schedule` commands say.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{table, utc};
use crate::model::error::Code;

/// One job, and when, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobPlan {
    pub job: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// Why there is no timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl JobPlan {
    fn line(&self) -> String {
        let when = self.calendar.clone().or_else(|| Some(format!("no timer: {}", self.reason.as_ref()?)));
        format!("{:<8} {}\n", self.job, when.unwrap_or_default())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    pub path: PathBuf,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Print {
    /// Of the units: the configuration's name.
    pub instance: String,
    pub jobs: Vec<JobPlan>,
    pub files: Vec<Written>,
    /// Secrets that units load and that are not there.
    pub missing: Vec<PathBuf>,
    /// What `install` runs after that.
    pub commands: Vec<String>,
}

impl Report for Print {
    const NAME: &'static str = "schedule-print";

    fn human(&self) -> String {
        let jobs: String = self.jobs.iter().map(|job| format!("# {}", job.line())).collect();
        let file = |file: &Written| format!("\n==> {} <==\n{}", file.path.display(), file.text);
        let files: String = self.files.iter().map(file).collect();
        let commands: String = self.commands.iter().map(|line| format!("# {line}\n")).collect();
        format!("{jobs}{files}\n{commands}{}", missing(&self.missing))
    }
}

fn missing(paths: &[PathBuf]) -> String {
    let line = |path: &PathBuf| format!("missing  {}: no unit that loads it starts\n", path.display());
    paths.iter().map(line).collect()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cron {
    pub instance: String,
    pub lines: Vec<CronLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CronLine {
    pub job: &'static str,
    pub calendar: String,
    /// For a file in `/etc/cron.d`; none where cron has no such time.
    pub line: Option<String>,
}

impl Report for Cron {
    const NAME: &'static str = "schedule-cron";

    fn human(&self) -> String {
        let line = |one: &CronLine| match &one.line {
            Some(line) => format!("{line}\n"),
            None => format!("# {}: cron has no \"{}\"\n", one.job, one.calendar),
        };
        self.lines.iter().map(line).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Install {
    pub instance: String,
    pub jobs: Vec<JobPlan>,
    pub written: Vec<PathBuf>,
    pub unchanged: Vec<PathBuf>,
    /// Drop-ins that nothing asks for any more.
    pub removed: Vec<PathBuf>,
    pub missing: Vec<PathBuf>,
    pub ran: Vec<String>,
    /// What is left to whoever called.
    pub to_run: Vec<String>,
    pub to_write: Vec<String>,
    pub next: String,
}

impl Report for Install {
    const NAME: &'static str = "schedule-install";

    fn human(&self) -> String {
        let paths = |word: &str, paths: &[PathBuf]| -> String {
            paths.iter().map(|path| format!("{word:<8} {}\n", path.display())).collect()
        };
        let lines = |word: &str, lines: &[String]| -> String {
            lines.iter().map(|line| format!("{word:<8} {line}\n")).collect()
        };
        let jobs: String = self.jobs.iter().map(JobPlan::line).collect();
        [
            jobs,
            paths("wrote", &self.written),
            paths("removed", &self.removed),
            lines("ran", &self.ran),
            lines("run", &self.to_run),
            lines("write", &self.to_write),
            missing(&self.missing),
        ]
        .concat()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        (!self.missing.is_empty()).then_some(Code::Flagged)
    }
}

/// What lies there of one job, against what the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Installed {
    Yes,
    No,
    Outdated,
    NotScheduled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    pub job: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub installed: Installed,
    /// When it was last started since the machine was booted, where systemd knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// As systemd calls it: `success`, `exit-code`, `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub instance: String,
    /// Whether the units that are the same everywhere are there.
    pub units: bool,
    pub jobs: Vec<JobStatus>,
    /// Drop-ins beside those of the jobs that are not as they should be.
    pub outdated: Vec<PathBuf>,
    pub missing: Vec<PathBuf>,
    pub next: String,
}

impl JobStatus {
    fn row(&self) -> Vec<String> {
        let state = match self.installed {
            Installed::Yes => "installed",
            Installed::No => "NOT INSTALLED",
            Installed::Outdated => "OUTDATED",
            Installed::NotScheduled => "no timer",
        };
        let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), utc);
        let result = self.last_result.as_ref().map_or(String::new(), |result| format!(" ({result})"));
        vec![
            self.job.to_owned(),
            state.to_owned(),
            self.calendar.clone().or_else(|| self.reason.clone()).unwrap_or_default(),
            format!("{}{result}", time(self.last)),
            time(self.next),
        ]
    }
}

impl Report for Status {
    const NAME: &'static str = "schedule-status";

    fn human(&self) -> String {
        let rows: Vec<Vec<String>> = self.jobs.iter().map(JobStatus::row).collect();
        let outdated: String = self.outdated.iter().map(|path| format!("outdated {}\n", path.display())).collect();
        let units = if self.units { "" } else { "missing  the units of pgcairn themselves\n" };
        table(&["job", "state", "when", "last run", "next run"], &rows) + &outdated + units + &missing(&self.missing)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        let is_wrong = |job: &JobStatus| matches!(job.installed, Installed::No | Installed::Outdated);
        let all_well = self.units && self.outdated.is_empty() && self.missing.is_empty();
        (!all_well || self.jobs.iter().any(is_wrong)).then_some(Code::Flagged)
    }
}
