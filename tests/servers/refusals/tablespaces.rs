//! Tablespaces: mapped twice, put together, or made by replay where that would ruin something.

use std::fs;

use super::super::support::Outcome;
use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::{Shutdown, run};
use super::{Document, backed_up, plan};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let location = server.scratch().join("ts");
    account().make_dir(&location)?;
    server.sql(&format!("create tablespace fast location '{}'", location.display()))?;
    server.archive_all()?;

    let latest = ["--to", "latest"];
    let hint = document.restore("replay creates a tablespace in a directory in use", &site, &latest)?;
    let lsn = hint.split("--to-lsn ").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("no LSN")?;
    plan(&site, &["--to-lsn", lsn, "--exclusive"])?;
    let aside = server.scratch().join("aside");
    fs::rename(&location, &aside)?;
    let hint = document.restore("replay creates a tablespace in a directory that is missing", &site, &latest)?;
    run(account().command("/bin/sh").args(["-c", hint.split(", or").next().unwrap_or_default()]))?;
    plan(&site, &latest)?;
    fs::remove_dir(&location)?;
    account().write(&location, "", 0o600)?;
    // What it proposes needs another machine.
    document.restore("replay creates a tablespace in what is no directory", &site, &latest)?;
    fs::remove_file(&location)?;
    fs::rename(&aside, &location)?;

    site.run(&["backup"])?.ok()?;
    let map = |new: &str| format!("{}={}", location.display(), site.path(new).display());
    let (one, two) = (map("one"), map("two"));
    let latest = ["--backup", "latest", "--tablespace", &one];
    let twice = [&latest[..], &["--tablespace", &two]].concat();
    document.restore("a tablespace is mapped twice", &site, &twice)?;
    plan(&site, &latest)?;
    let inside = map("new/inside");
    let together = ["--backup", "latest", "--tablespace", &inside];
    document.restore("a tablespace goes into another place's directory", &site, &together)?;
    plan(&site, &latest)?;
    server.stop(Shutdown::Fast)?;
    document.end()
}
