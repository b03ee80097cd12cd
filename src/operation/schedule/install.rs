//! Brings the drop-ins of one configuration up to date, and nothing else.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::drop_in::WRITTEN_BY;
use super::plan::{Plan, is_of};
use super::{Request, UNIT_PATH, UNITS, failed, plan, systemctl};
use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::model::schedule::Job;
use crate::model::shell_word::shell_word;
use crate::report::schedule::Install;
use crate::sink::{Durability, Replacement, SinkError};

/// Everybody may read units; no secret stands in them.
const MODE: u32 = 0o644;

pub fn install(config: &Config, request: &Request) -> Result<Install> {
    refuse(request)?;
    let plan = plan(config, request)?;
    let known = plan.files.keys().cloned().chain(there(request, &plan.instance));
    known.map(|path| request.within(&path)).try_for_each(|path| refuse_foreign(&path))?;
    let (mut written, mut unchanged) = (Vec::new(), Vec::new());
    for (path, text) in &plan.files {
        match put(&request.within(path), text)? {
            true => written.push(path.clone()),
            false => unchanged.push(path.clone()),
        }
    }
    let removed = remove(&plan, request)?;
    let off = enabled(request, &plan.instance).into_iter().filter(|timer| !plan.timers().contains(timer));
    let lines = systemctl::lines(request, &plan.timers(), &off.collect::<Vec<_>>());
    let runs = !request.is_elsewhere();
    if runs {
        lines.iter().try_for_each(|line| systemctl::run(line))?;
    }
    let by_hand = plan.archiving.as_ref().filter(|archiving| !is_told(request, archiving)).map(|archiving| {
        format!("{}: CREDENTIALS_DIRECTORY = '{}'", archiving.environment.display(), archiving.directory.display())
    });
    Ok(Install {
        instance: plan.instance.clone(),
        jobs: plan.jobs.iter().map(super::plan::Planned::told).collect(),
        written,
        unchanged,
        removed,
        missing: plan.missing.clone(),
        ran: if runs { lines.clone() } else { Vec::new() },
        to_run: if runs { Vec::new() } else { lines },
        to_write: by_hand.into_iter().collect(),
        next: config.command_line().spell_out("pgcairn schedule status"),
    })
}

/// The server's environment leads there already.
fn is_told(request: &Request, archiving: &super::plan::Archiving) -> bool {
    let text = fs::read_to_string(request.within(&archiving.environment)).unwrap_or_default();
    let directory = archiving.directory.to_string_lossy();
    text.lines().any(|line| line.trim_start().starts_with("CREDENTIALS_DIRECTORY") && line.contains(directory.as_ref()))
}

/// Before anything is written.
fn refuse(request: &Request) -> Result<()> {
    if !request.is_elsewhere() && !systemctl::runs() {
        return Err(Error::new(Code::Refused, "systemd does not run this machine")
            .hint("lines for cron are printed by: pgcairn schedule print --cron"));
    }
    if !units_are_there(request) {
        let message = format!("no units of pgcairn are below {}", request.root.display());
        return Err(Error::new(Code::Refused, message)
            .hint("install the package, or cp -r systemd/. /etc/systemd/system in the sources"));
    }
    Ok(())
}

/// What somebody else has put under one of our names, a link among it, is nobody's to overwrite.
fn refuse_foreign(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.is_file() && fs::read(path).is_ok_and(|text| text.starts_with(WRITTEN_BY.as_bytes())) {
        return Ok(());
    }
    let aside = path.with_file_name("60-own.conf");
    let words = [path, aside.as_path()].map(|path| shell_word(&path.to_string_lossy()));
    Err(Error::new(Code::Refused, format!("{} was not written by schedule install", path.display()))
        .hint(format!("keep it under another name: mv {}", words.join(" "))))
}

pub fn units_are_there(request: &Request) -> bool {
    let unit = Job::Backup.service("");
    UNIT_PATH.iter().any(|place| request.within(&Path::new("/").join(place).join(&unit)).exists())
}

/// Whether it had to be written.
fn put(path: &Path, text: &str) -> Result<bool> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(false);
    }
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(|error| failed("create", directory, &error))?;
    replace(path, text).map_err(|error| failed(error.action, path, &error.source)).map(|()| true)
}

fn replace(path: &Path, text: &str) -> std::result::Result<(), SinkError> {
    let mut file = Replacement::begin(path, MODE)?;
    let wrong = |source| SinkError { action: "write", path: path.display().to_string(), source };
    file.set_mode(MODE).and_then(|()| file.write_all(text.as_bytes())).map_err(wrong)?;
    file.finish(Durability::Now)
}

/// Drop-ins of ours that the plan has no more.
fn remove(plan: &Plan, request: &Request) -> Result<Vec<PathBuf>> {
    let stale: Vec<PathBuf> =
        there(request, &plan.instance).into_iter().filter(|path| !plan.files.contains_key(path)).collect();
    for path in &stale {
        let real = request.within(path);
        fs::remove_file(&real).map_err(|error| failed("remove", &real, &error))?;
        // Where an administrator has one of his own beside it, the directory stays.
        let _ = real.parent().map(fs::remove_dir);
    }
    Ok(stale)
}

/// The drop-ins of an instance that lie there, whoever wrote what into them.
pub fn there(request: &Request, instance: &str) -> Vec<PathBuf> {
    let units = Path::new("/").join(UNITS);
    let names = |directory: &Path| -> Vec<String> {
        let entries = fs::read_dir(request.within(directory)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let mut found = Vec::new();
    for unit in names(&units) {
        let directory = units.join(&unit);
        found.extend(
            names(&directory).into_iter().filter(|name| is_of(instance, &unit, name)).map(|n| directory.join(n)),
        );
    }
    found.sort();
    found
}

/// Timers that start with the machine: `enable` links them.
pub fn enabled(request: &Request, instance: &str) -> Vec<String> {
    let wanted = Path::new("/").join(UNITS).join("timers.target.wants");
    let timers = Job::ALL.into_iter().map(|job| job.timer(instance));
    timers.filter(|timer| request.within(&wanted.join(timer)).is_symlink()).collect()
}
