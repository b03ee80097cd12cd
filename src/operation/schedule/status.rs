//! What lies there, held against what the configuration asks for, and what systemd says of the runs.

use std::fs;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::install::{enabled, there, units_are_there};
use super::plan::{Plan, Planned};
use super::{Request, plan, systemctl};
use crate::config::Config;
use crate::model::error::Result;
use crate::report::schedule::{Installed, JobStatus, Status};

pub fn status(config: &Config, request: &Request) -> Result<Status> {
    let plan = plan(config, request)?;
    let enabled = enabled(request, &plan.instance);
    let jobs: Vec<JobStatus> = plan.jobs.iter().map(|planned| job(request, &plan, planned, &enabled)).collect();
    let stale: Vec<_> = there(request, &plan.instance).into_iter().filter(|it| !plan.files.contains_key(it)).collect();
    let archiving = plan.files.keys().find(|path| path.to_string_lossy().contains("/postgresql@"));
    let archiving = archiving.filter(|path| !is_as_planned(request, &plan, path)).cloned();
    let is_right = |job: &JobStatus| matches!(job.installed, Installed::Yes | Installed::NotScheduled);
    let well = jobs.iter().all(is_right) && stale.is_empty() && archiving.is_none() && plan.missing.is_empty();
    let next = if well { "pgcairn status" } else { "sudo pgcairn schedule install" };
    Ok(Status {
        instance: plan.instance.clone(),
        units: units_are_there(request),
        jobs,
        outdated: stale.into_iter().chain(archiving).collect(),
        missing: plan.missing.clone(),
        next: config.command_line().spell_out(next),
    })
}

fn is_as_planned(request: &Request, plan: &Plan, path: &std::path::Path) -> bool {
    let wanted = plan.files.get(path);
    fs::read_to_string(request.within(path)).ok().as_ref() == wanted
}

fn job(request: &Request, plan: &Plan, planned: &Planned, enabled: &[String]) -> JobStatus {
    let Planned { job, calendar, reason } = planned;
    let instance = &plan.instance;
    let units = [job.service(instance), job.failed_service(instance), job.timer(instance)];
    let own =
        |path: &&std::path::PathBuf| units.iter().any(|unit| path.to_string_lossy().contains(&format!("/{unit}.d/")));
    let is_on = enabled.contains(&job.timer(instance));
    let lies_there = there(request, instance).iter().any(|path| own(&path));
    let installed = match calendar {
        None if is_on || lies_there => Installed::Outdated,
        None => Installed::NotScheduled,
        Some(_) if !lies_there || !is_on => Installed::No,
        Some(_) if plan.files.keys().filter(own).all(|path| is_as_planned(request, plan, path)) => Installed::Yes,
        Some(_) => Installed::Outdated,
    };
    let asks = !request.is_elsewhere() && systemctl::runs();
    let ask = |unit: String, name: &str| systemctl::properties(&unit, &[name]).filter(|_| asks)?.pop().map(|(_, v)| v);
    let (timer, service) = (job.timer(instance), job.service(instance));
    // Not what the timer says: its stamp is as old as the timer where it has never run, and its service says "success".
    let since_boot = |name: &str| ask(service.clone(), name).and_then(|text| time(&text));
    let last = since_boot("ExecMainStartTimestamp");
    let ended = since_boot("ExecMainExitTimestamp");
    JobStatus {
        job: job.name(),
        calendar: calendar.as_ref().map(ToString::to_string),
        reason: reason.clone(),
        installed,
        last,
        last_result: ended.and_then(|_| ask(service.clone(), "Result")),
        next: ask(timer, "NextElapseUSecRealtime").and_then(|text| time(&text)),
    }
}

/// `Sat 2026-11-21 03:00:00 UTC`; anything else is no time.
fn time(text: &str) -> Option<Timestamp> {
    let civil = text.strip_suffix(" UTC")?.split_once(' ')?.1;
    let civil: DateTime = civil.replacen(' ', "T", 1).parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_systemd() {
        assert_eq!(time("Sat 2026-11-21 03:00:00 UTC").map(|t| t.to_string()).as_deref(), Some("2026-11-21T03:00:00Z"));
        for text in ["", "n/a", "0", "infinity", "Sat 2026-11-21 03:00:00 CET"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
