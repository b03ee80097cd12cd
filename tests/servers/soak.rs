//! Long trials, run by `make soak` alone.

use std::fs;
use std::path::Path;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Outcome, Scenario, peak, skip};

const FILES: usize = 2_000_000;

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

    peak::within_bound(&mut site.command(&["backup"]), "soak: backup of two million files")?;
    let target = site.path("restored");
    let mut restore = site.command(&["restore", "--backup", "latest", "--target-dir"]);
    restore.arg(&target).env("PGCAIRN_IDENTITY", site.identity());
    peak::within_bound(&mut restore, "soak: restore of two million files")?;
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
