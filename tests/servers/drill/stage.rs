//! A cluster with two databases, its backup, and drills of it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::{Run, Site};

pub struct Stage {
    pub server: Server,
    pub site: Site,
    pub backup: String,
}

impl Stage {
    pub fn new(install: &'static Installation) -> Outcome<Stage> {
        let mut stage = Stage::without_backup(install)?;
        stage.site.archive_from(&stage.server)?;
        let made = stage.site.run(&["backup", "--json"])?.ok()?.result()?;
        stage.backup = made["id"].as_str().unwrap_or_default().to_owned();
        stage.server.sql("insert into orders values (1001)")?;
        stage.server.archive_all()?;
        Ok(stage)
    }

    pub fn without_backup(install: &'static Installation) -> Outcome<Stage> {
        let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
        server.sql("create table orders as select generate_series(1, 1000) as n")?;
        server.sql("create index on orders (n)")?;
        server.sql("create database shop")?;
        server.sql("create table \"odd \"\"name\" as select generate_series(1, 7) as n")?;
        let site = Site::new(&server)?;
        site.init()?;
        account().make_dir(&site.path("scratch"))?;
        Ok(Stage { server, site, backup: String::new() })
    }

    /// Its id.
    pub fn dump(&self, words: &[&str]) -> Outcome<String> {
        let bindir = self.bindir();
        let made = self.site.run(&[&["dump", "--bindir", &bindir, "--json"], words].concat())?.ok()?.result()?;
        Ok(made["id"].as_str().ok_or("a dump has an id")?.to_owned())
    }

    pub fn scratch(&self) -> PathBuf {
        self.site.path("scratch")
    }

    pub fn bindir(&self) -> String {
        self.server.install.bin().display().to_string()
    }

    /// With the key at hand.
    pub fn drill(&self, words: &[&str]) -> Outcome<Run> {
        self.drill_by(&self.bindir(), words)
    }

    pub fn drill_by(&self, bindir: &str, words: &[&str]) -> Outcome<Run> {
        let scratch = self.scratch().display().to_string();
        let all = [&["drill", "--bindir", bindir, "--scratch", &scratch], words].concat();
        let run = self.site.run_with_identity(&all)?;
        self.is_tidy()?;
        Ok(run)
    }

    /// The result as JSON.
    pub fn result(&self, status: i32, words: &[&str]) -> Outcome<Value> {
        self.drill(&[words, &["--json"]].concat())?.status_is(status)?.result()
    }

    /// A drill leaves nothing behind, whatever becomes of it.
    pub fn is_tidy(&self) -> Outcome {
        assert_eq!(fs::read_dir(self.scratch())?.count(), 0, "something is left in the scratch directory");
        Ok(())
    }

    pub fn configure(&mut self, lines: &str) -> Outcome {
        self.site.configure(lines)
    }
}

/// The outcome of one check, and what it found.
pub fn check<'v>(result: &'v Value, name: &str) -> Outcome<(&'v str, &'v str)> {
    let mut checks = result["checks"].as_array().into_iter().flatten();
    let found = checks.find(|check| check["name"] == name).ok_or(format!("no check {name} in {result}"))?;
    Ok((found["outcome"].as_str().unwrap_or_default(), found["details"].as_str().unwrap_or_default()))
}

/// Fails unless the only check that failed is this one, for this reason.
pub fn failed_alone(result: &Value, name: &str, reason: &str) -> Outcome {
    let failed = |check: &&Value| check["outcome"] == "failed";
    let failed: Vec<&Value> = result["checks"].as_array().into_iter().flatten().filter(failed).collect();
    let (_, details) = check(result, name)?;
    if failed.len() != 1 || failed[0]["name"] != name || !details.contains(reason) {
        return Err(format!("not {name} alone, for \"{reason}\": {failed:?}").into());
    }
    assert_eq!(result["passed"], false);
    Ok(())
}
