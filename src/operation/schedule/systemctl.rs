//! What is asked of systemd's own programs.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Request;
use crate::model::error::{Code, Error, Result};
use crate::model::schedule::Calendar;
use crate::model::shell_word::shell_word;

/// There while systemd runs the machine (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

const SYSTEMCTL: &str = "systemctl";
const ANALYZE: &str = "systemd-analyze";

pub fn runs() -> bool {
    Path::new(BOOTED).is_dir()
}

/// Why it takes no such time; nothing where there is nobody to ask.
pub fn refuses(calendar: &Calendar) -> Option<String> {
    let mut command = Command::new(ANALYZE);
    let output = command.args(["calendar", "--", calendar.as_str()]).env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| !output.status.success())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// What makes systemd do as the files say.
pub fn lines(request: &Request, on: &[String], off: &[String]) -> Vec<String> {
    let elsewhere = request.is_elsewhere();
    let root = shell_word(&request.root.to_string_lossy());
    let program = if elsewhere { format!("{SYSTEMCTL} --root={root}") } else { SYSTEMCTL.to_owned() };
    let now = if elsewhere { "" } else { " --now" };
    let reload = (!elsewhere).then(|| format!("{program} daemon-reload"));
    let switch = |verb: &str, timers: &[String]| {
        (!timers.is_empty()).then(|| format!("{program} {verb}{now} {}", timers.join(" ")))
    };
    reload.into_iter().chain(switch("disable", off)).chain(switch("enable", on)).collect()
}

/// Each line is words without any quoting, but for a root, for which none is run.
pub fn run(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let failed =
        |reason: String| Error::new(Code::Io, format!("{line}: {reason}")).hint(format!("sudo {line}   # says more"));
    let mut command = Command::new(words.next().unwrap_or(SYSTEMCTL));
    let output = command.args(words).env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Properties of a unit, in the order asked for; empty ones are left out by systemd, so names are asked too.
pub fn properties(unit: &str, names: &[&str]) -> Option<Vec<(String, String)>> {
    let mut command = Command::new(SYSTEMCTL);
    command.args(["show", "--timestamp=utc", "--property", &names.join(","), "--", unit]);
    let output = command.env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(text.lines().filter_map(pair).collect())
}
