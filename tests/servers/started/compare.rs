//! What this machine has not as the origin had it is told when a copy is started, and with what to do about it.

use std::fs;

use serde_json::Value;

use crate::refusals::Document;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{self, Server};
use crate::support::site::{Run, Site};
use crate::support::{Outcome, skip};

use super::copy::{self, Copy};

pub fn surroundings(install: &'static Installation) -> Outcome {
    if install.major < 15 {
        return skip("14 keeps no versions of a database's collation");
    }
    let server = Server::builder(install).setting("archive_mode", "on");
    let server = server.setting("shared_preload_libraries", "'plpgsql'").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    let here = differ(&server)?;
    site.run(&["backup"])?.ok()?;
    server.archive_all()?;

    let bin = with_earlier_minor(&site, install)?;
    let mut command = copy::owner();
    command.arg("--config").arg(site.config()).env("PGCAIRN_IDENTITY", site.identity()).args(["restore", "--json"]);
    command.arg("--target-dir").arg(site.path("copy")).args(["--to", "latest", "--start", "--bindir"]).arg(bin);
    let mut run = Run::of(&mut command)?.ok()?;
    let copy = Copy::said(&run)?;
    assert_eq!((copy.setting("shared_preload_libraries")?, copy.value("select 1")?), (String::new(), "1".to_owned()));
    assert!(run.stdout.contains("not loaded, as the origin does: plpgsql"), "{}", run.report());

    let rebuild = hints(&run).into_iter().filter_map(|hint| Some(hint.split_once("built anew: ")?.1.to_owned()));
    let rebuild: Vec<String> = rebuild.collect();
    assert_eq!(rebuild.len(), 2, "{}", run.report());
    let programs = format!("{}:/usr/bin:/bin", install.bin().display());
    for command in &rebuild {
        server::run(account().command("/bin/sh").env("PATH", &programs).args(["-c", command]))?;
    }
    told(&mut run, &site, install, &here)
}

/// What an upgrade of a library, a missing package and a missing locale leave behind; the version that is here.
fn differ(server: &Server) -> Outcome<String> {
    server.sql("create table c (t text collate \"de-x-icu\")")?;
    server.sql("create index on c (t)")?;
    server.sql("update pg_collation set collversion = '0.1' where collname = 'de-x-icu'")?;
    server.sql("create database german template template0 locale_provider icu icu_locale 'de' locale 'C'")?;
    server.sql_in("german", "create table words (word text primary key)")?;
    server.sql_in("german", "insert into pg_extension values (99999, 'no_such_extension', 10, 11, false, '1.0')")?;
    server.sql("update pg_database set datcollversion = '0.2' where datname = 'german'")?;
    server.sql("create database closed")?;
    server.sql("update pg_database set datcollate = 'xx_XX', datctype = 'xx_XX' where datname = 'closed'")?;
    server.value("select pg_collation_actual_version(oid) from pg_collation where collname = 'de-x-icu'")
}

/// The programs of this installation, which say that they are of the first minor.
fn with_earlier_minor(site: &Site, install: &Installation) -> Outcome<std::path::PathBuf> {
    let bin = site.path("bin");
    account().make_dir(&bin)?;
    for name in ["postgres", "initdb"] {
        let (real, major) = (install.program(name), install.major);
        let version = format!("[ \"$1\" = --version ] && exec echo 'postgres (PostgreSQL) {major}.0'");
        account().write(&bin.join(name), format!("#!/bin/sh\n{version}\nexec {} \"$@\"\n", real.display()), 0o755)?;
    }
    assert!(fs::read_dir(&bin)?.count() == 2);
    Ok(bin)
}

fn hints(run: &Run) -> Vec<String> {
    let events = run.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|event| Some(event["hint"].as_str()?.to_owned())).collect()
}

/// Every warning is as docs/errors.md has it.
fn told(run: &mut Run, site: &Site, install: &Installation, here: &str) -> Outcome {
    let major = install.major;
    let minor =
        install.version.split_whitespace().next().and_then(|version| version.split_once('.')).ok_or("no minor")?.1;
    for (this, document) in [
        (format!("{major}.{minor}"), "18.4"),
        (format!("{major}.0 is here"), "18.0 is here"),
        (format!("postgresql-{major}"), "postgresql-18"),
        (here.to_owned(), "2.41"),
    ] {
        run.stdout = run.stdout.replace(&this, document);
    }
    let mut document = Document::new();
    document.warned("--start: an earlier minor than the origin's", site, run, "is here to start it")?;
    document.warned("--start: a collation of another version", site, run, "de-x-icu")?;
    document.warned("--start: a database's collation of another version", site, run, "its collation")?;
    document.warned("--start: an extension that is not installed", site, run, "no_such_extension")?;
    document.warned("--start: a database that does not open", site, run, "does not open")?;
    document.end()
}
