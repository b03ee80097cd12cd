//! `schedule print`, `schedule install`, `schedule status`: what systemd must know of one configuration beyond the units
//! that are the same everywhere. The plan is a value: printed, carried out, or held against what lies there.

mod credentials;
mod drop_in;
mod facts;
mod install;
mod plan;
mod status;
mod systemctl;

pub use install::install;
pub use status::status;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::model::schedule::Job;
use crate::model::shell_word::shell_word;
use crate::report::schedule::{Cron, CronLine, Print, Written};
use facts::Facts;
use plan::Plan;

/// Where the administrator's own units and drop-ins lie.
const UNITS: &str = "etc/systemd/system";

/// Where units may lie, first found first (`systemd.unit(5)`).
const UNIT_PATH: [&str; 4] = [UNITS, "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `/`, or the directory of an image or a package.
    pub root: PathBuf,
}

impl Request {
    /// Where a path of the configuration lies.
    fn within(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn is_elsewhere(&self) -> bool {
        self.root != Path::new("/")
    }
}

/// What `install` would write, in full.
pub fn print(config: &Config, request: &Request) -> Result<Print> {
    let plan = plan(config, request)?;
    Ok(Print {
        instance: plan.instance.clone(),
        jobs: plan.jobs.iter().map(plan::Planned::told).collect(),
        files: plan.files.iter().map(|(path, text)| Written { path: path.clone(), text: text.clone() }).collect(),
        missing: plan.missing.clone(),
        commands: systemctl::lines(request, &plan.timers(), &[]),
    })
}

/// The same for cron, where there is no systemd.
pub fn cron(config: &Config, request: &Request) -> Result<Cron> {
    let plan = plan(config, request)?;
    let program = config.command_line().program;
    let line = |planned: &plan::Planned| {
        let calendar = planned.calendar.as_ref()?;
        let user = if planned.job == Job::Drill { "pgcairn-drill" } else { &plan.user };
        let fields = calendar.to_cron();
        let command = format!("{program} --no-input {}", planned.job.command());
        // A sign of percent would be the end of the line.
        let further = plan::further_repositories(config, planned.job)
            .map(|name| format!("; {command} --repository {}", shell_word(name).replace('%', "\\%")));
        let further: String = further.collect();
        Some(CronLine {
            job: planned.job.name(),
            calendar: calendar.to_string(),
            line: fields.map(|fields| format!("{fields} {user} {command}{further}")),
        })
    };
    Ok(Cron { instance: plan.instance.clone(), lines: plan.jobs.iter().filter_map(line).collect() })
}

fn plan(config: &Config, request: &Request) -> Result<Plan> {
    let plan = Plan::new(config, &instance(config, request)?, &Facts::gather(config, request));
    for (job, calendar) in plan.jobs.iter().filter_map(|planned| Some((planned.job, planned.calendar.as_ref()?))) {
        if let Some(reason) = systemctl::refuses(calendar) {
            let message =
                format!("{}: {job} under [schedule]: systemd refuses \"{calendar}\": {reason}", config.origin());
            return Err(Error::new(Code::ConfigValue, message)
                .hint(format!("try another time: systemd-analyze calendar \"{}\"", job.usual())));
        }
    }
    Ok(plan)
}

/// The units look for a configuration by its name.
fn instance(config: &Config, request: &Request) -> Result<String> {
    let file = config.file.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    let file = file.unwrap_or_default();
    let within = request.within(Path::new(crate::config::CONFIG_DIRECTORY));
    let named = file.file_stem().filter(|_| file.parent() == Some(&within)).and_then(|stem| stem.to_str());
    let usable = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    named.filter(usable).map(str::to_owned).ok_or_else(|| {
        let stem = config.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = format!(
            "units find configurations in {} by their name, and {} is elsewhere",
            within.display(),
            file.display()
        );
        Error::new(Code::Refused, message).hint(format!("move it to {}", within.join(format!("{stem}.toml")).display()))
    })
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot {action} {}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied => Error::new(Code::Permission, message).hint("sudo pgcairn schedule install"),
        _ => Error::new(Code::Io, message)
            .hint(format!("look at what is there: ls -ld {}", shell_word(&path.to_string_lossy()))),
    }
}
