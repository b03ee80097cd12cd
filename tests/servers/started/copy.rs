//! A copy that `restore --start` has left running: what it said, and its processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::account::account;
use crate::support::process;
use crate::support::server::run;
use crate::support::site::{Run, Site, binary};
use crate::support::wait::wait_for;
use crate::support::{Outcome, majors::Installation};

pub struct Copy {
    pub data: PathBuf,
    pub started: Value,
    pid: i32,
}

/// `restore --start` into the site's directory `name`; who calls it is in `command`.
pub fn command(mut command: Command, site: &Site, install: &Installation, name: &str, arguments: &[&str]) -> Command {
    command.arg("--config").arg(site.config()).env("PGCAIRN_IDENTITY", site.identity());
    command.args(["restore", "--target-dir"]).arg(site.path(name)).args(["--start", "--bindir"]).arg(install.bin());
    command.args(arguments);
    command
}

pub fn owner() -> Command {
    account().command(binary())
}

impl Copy {
    pub fn start(site: &Site, install: &Installation, arguments: &[&str]) -> Outcome<Copy> {
        Copy::of(&mut command(owner(), site, install, "copy", &[arguments, &["--json"]].concat()))
    }

    pub fn of(command: &mut Command) -> Outcome<Copy> {
        Copy::said(&Run::of(command)?.ok()?)
    }

    /// What a run has started.
    pub fn said(run: &Run) -> Outcome<Copy> {
        let answer = run.result()?;
        let started = answer["started"].clone();
        let pid = started["pid"].as_i64().ok_or_else(|| format!("nothing was started: {answer}"))?;
        let pid = i32::try_from(pid)?;
        process::register(pid.cast_unsigned());
        let data = answer["plan"]["target_dir"].as_str().unwrap_or_default().into();
        Ok(Copy { data, started, pid })
    }

    pub fn is_running(&self) -> bool {
        process::alive(self.pid)
    }

    /// A command that the report gives, as the owner types it.
    pub fn types(&self, field: &str, more: &str) -> Outcome<String> {
        let words = self.started[field].as_str().unwrap_or_default();
        run(account().command("/bin/sh").args(["-c", &format!("{words} {more}")]))
    }

    pub fn value(&self, sql: &str) -> Outcome<String> {
        let script = "-XAtqc \"$1\"";
        let words = self.started["connect"].as_str().unwrap_or_default();
        let said = run(account().command("/bin/sh").args(["-c", &format!("{words} {script}"), "sh", sql]))?;
        Ok(said.trim_end().to_owned())
    }

    pub fn setting(&self, name: &str) -> Outcome<String> {
        self.value(&format!("select coalesce(current_setting('{name}', true), 'unknown')"))
    }

    /// Opens a copy that stands at its target.
    pub fn open(&self) -> Outcome {
        self.value("select pg_wal_replay_resume()")?;
        wait_for("the copy to open", || Ok((self.value("select pg_is_in_recovery()")? == "f").then_some(())))
    }

    pub fn log(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.started["log"].as_str().unwrap_or_default())?)
    }

    /// The kinds of its processes, as it tells them.
    pub fn workers(&self) -> Outcome<BTreeSet<String>> {
        let said = self.value("select distinct backend_type from pg_stat_activity")?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// The ports that its processes listen on, or are connected by.
    pub fn ports(&self) -> Outcome<Vec<String>> {
        let pids = std::iter::once(self.pid).chain(process::children(self.pid));
        let sockets: BTreeSet<String> = pids.flat_map(sockets).collect();
        let mut ports = Vec::new();
        // The statistics collector of 14 talks to itself.
        let is_collector = |row: &Vec<&str>| row[1] == row[2];
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            let text = fs::read_to_string(format!("/proc/{}/net/{table}", self.pid)).unwrap_or_default();
            let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
            let ours = rows.filter(|row| row.get(9).is_some_and(|inode| sockets.contains(*inode)));
            let ours = ours.filter(|row| !is_collector(row));
            ports.extend(ours.map(|row| format!("{table} {} {}", row[1], row[2])));
        }
        Ok(ports)
    }
}

/// Inodes of the sockets that a process has open.
fn sockets(pid: i32) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode = |link: PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    links.filter_map(inode).collect()
}

/// Nothing works in a directory any more.
pub fn wait_empty(directory: &Path) -> Outcome {
    wait_for("the server to end", || Ok(process::below(directory).is_empty().then_some(())))
}

impl Drop for Copy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the copy:\n{}", self.log().unwrap_or_default());
        }
        // Also one that was started again.
        process::stop_below(&self.data);
        process::unregister(self.pid.cast_unsigned());
    }
}
