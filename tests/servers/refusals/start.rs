//! What keeps a copy from being started: told before anything is restored, as far as it can be.

use std::fs;
use std::net::TcpListener;

use super::super::support::Outcome;
use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::Shutdown;
use super::super::support::site::Site;
use super::{Document, backed_up, hint, plan, restore_words};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let bin = install.bin().display().to_string();
    let start = ["--backup", "latest", "--start", "--bindir", bin.as_str()];
    plan(&site, &start)?;

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    document.restore("--start: the port is taken", &site, &[&start[..], &["--port", &port]].concat())?;
    drop(taken);
    plan(&site, &[&start[..], &["--port", &port]].concat())?;

    let other = site.path("other").display().to_string();
    let another = if install.major == 14 { "15.9" } else { "14.9" };
    installation(&site, "other", another, "exit 1")?;
    let elsewhere = ["--backup", "latest", "--start", "--bindir", other.as_str()];
    let words = restore_words(&site, &elsewhere);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut run = site.run_with_identity(&[&words[..], &["--json"]].concat())?;
    run.stdout = run.stdout.replace(another, "14.9");
    for name in ["PostgreSQL ", "postgresql-"] {
        run.stdout = run.stdout.replace(&format!("{name}{}", install.major), &format!("{name}18"));
    }
    document.compare("--start: no server of the backup's major", &site, run)?;

    let location = server.scratch().join("ts");
    account().make_dir(&location)?;
    server.sql(&format!("create tablespace fast location '{}'", location.display()))?;
    server.archive_all()?;
    server.stop(Shutdown::Fast)?;
    fs::rename(&location, server.scratch().join("aside"))?;
    account().make_dir(&location)?;
    let latest = ["--to", "latest", "--start", "--bindir", bin.as_str()];
    let said = document.restore("--start: replay creates a tablespace elsewhere", &site, &latest)?;
    let lsn = super::proposed(&said, "--to-lsn ")?;
    plan(&site, &["--to-lsn", lsn, "--exclusive", "--start", "--bindir", &bin])?;
    plan(&site, &["--to", "latest"])?;

    let version = install.version.split_whitespace().next().unwrap_or_default();
    installation(&site, "failing", version, "echo 'FATAL:  no luck' >&2; exit 1")?;
    let failing = site.path("failing").display().to_string();
    let words = restore_words(&site, &["--backup", "latest", "--start", "--bindir", &failing]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = document.refuses_with_identity("--start: the server does not start", &site, &words)?;
    let log = hint(&run)?;
    assert!(fs::read_to_string(log.trim_start_matches("less "))?.contains("no luck"));
    document.end()
}

/// Programs that tell a version, and then do something else.
fn installation(site: &Site, name: &str, version: &str, instead: &str) -> Outcome {
    let bin = site.path(name);
    account().make_dir(&bin)?;
    let text = format!("#!/bin/sh\n[ \"$1\" = --version ] && exec echo 'postgres (PostgreSQL) {version}'\n{instead}\n");
    for program in ["postgres", "initdb"] {
        account().write(&bin.join(program), &text, 0o755)?;
    }
    Ok(())
}
