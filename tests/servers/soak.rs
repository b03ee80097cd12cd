//! Long trials, run by `make soak` alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Outcome, Scenario, skip};

const FILES: usize = 2_000_000;
/// Peak resident memory of any command.
const MOST_MIB: u64 = 300;

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "soak::two_million_files", run: two_million_files }]
}

/// A backup and a restore of two million files stay within the memory bound.
fn two_million_files(install: &'static Installation) -> Outcome {
    if !std::env::var("PGCAIRN_TEST_LENGTH").is_ok_and(|length| length == "soak") {
        return skip("two million files: make soak");
    }
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    let database = server.value("select oid from pg_database where datname = 'postgres'")?;
    make_files(&server.data().join("base").join(database))?;

    let peak = peak_of(&mut site.command(&["backup"]))?;
    within(peak, "backup")?;
    let target = site.path("restored");
    let mut restore = site.command(&["restore", "--backup", "latest", "--target-dir"]);
    let peak = peak_of(restore.arg(&target).env("PGCAIRN_IDENTITY", site.identity()))?;
    within(peak, "restore")?;
    let restored = count(&target.join("base"))?;
    if restored < FILES as u64 { Err(format!("{restored} files of {FILES} were restored").into()) } else { Ok(()) }
}

/// Files that look like relations, each with one page's worth of nothing.
fn make_files(directory: &Path) -> Outcome {
    for number in 0..FILES {
        let path = directory.join((1_000_000 + number).to_string());
        fs::write(&path, b"")?;
        account().own(&path)?;
    }
    Ok(())
}

fn count(directory: &Path) -> Outcome<u64> {
    let mut files = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
}

/// Runs a command; its peak resident memory in KiB (`VmHWM`).
fn peak_of(command: &mut std::process::Command) -> Outcome<u64> {
    let mut child = command.spawn()?;
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = line.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0).max(peak);
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(peak),
            Some(status) => return Err(format!("{command:?} ended with {status}").into()),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn within(peak_kib: u64, what: &str) -> Outcome {
    println!("soak: {what} of {FILES} files took {} MiB at most", peak_kib / 1024);
    let fits = peak_kib / 1024 <= MOST_MIB;
    if fits { Ok(()) } else { Err(format!("{what} took {} MiB, {MOST_MIB} are allowed", peak_kib / 1024).into()) }
}
