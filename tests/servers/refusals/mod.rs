//! Refusals of docs/errors.md that need a cluster or a repository: each is provoked, compared with its row word for
//! word, and what its hint says is done.

mod example;
mod push;
mod repository;
mod restore;
mod server;

#[allow(dead_code)] // the table of codes needs no server
#[path = "../../errors_doc/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use super::support::account::account;
use super::support::server::{Server, run};
use super::support::site::{Run, Site, binary};
use super::support::{Outcome, Scenario, scratch};
use table::Refusal;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "refusals::repository", run: repository::refusals },
        Scenario { name: "refusals::server", run: server::refusals },
        Scenario { name: "refusals::push", run: push::refusals },
        Scenario { name: "refusals::restore", run: restore::refusals },
    ]
}

/// The document, and what does not agree with it so far.
struct Document {
    rows: BTreeMap<String, Refusal>,
    wrong: Vec<String>,
}

impl Document {
    fn new() -> Document {
        let rows = table::rows().into_iter().map(|row| (row.when, row.refusal)).collect();
        Document { rows, wrong: Vec::new() }
    }

    /// `arguments` are refused as the row says.
    fn refuses(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<Run> {
        let run = site.run(&[arguments, &["--json"]].concat())?;
        self.compare(when, site, run)
    }

    /// The same with the identity at hand.
    fn refuses_with_identity(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<Run> {
        let run = site.run_with_identity(&[arguments, &["--json"]].concat())?;
        self.compare(when, site, run)
    }

    /// What a run with `--json` said must be the row's.
    fn compare(&mut self, when: &str, site: &Site, run: Run) -> Outcome<Run> {
        let said = Refusal::of(&run.stdout, run.status, &names(site));
        let said = said.ok_or_else(|| format!("{when}: not refused\n{}", run.report()))?;
        let said = example::of(said);
        if self.rows.get(when) != Some(&said) {
            self.wrong.push(said.row(when));
        }
        Ok(run)
    }

    fn end(self) -> Outcome {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("docs/errors.md should have\n{}", self.wrong.join("\n")).into()),
        }
    }
}

/// Where the document says things are.
fn names(site: &Site) -> Vec<(String, &'static str)> {
    let shown = |path: &Path| path.display().to_string();
    vec![
        (shown(binary()), "/usr/bin/pgcairn"),
        (shown(&site.config()), "/etc/pgcairn/main.toml"),
        (shown(&site.repository()), "/var/backups/pgcairn"),
        (shown(&site.identity()), "/root-only/identity.txt"),
        (shown(site.data()), "/var/lib/postgresql/18/main"),
        (shown(site.socket_dir()), "/var/run/postgresql"),
        (shown(&site.path("")), "/srv/"),
        (shown(scratch::root()), "/srv"),
    ]
}

/// The hint of a refusal, as this run said it.
fn hint(run: &Run) -> Outcome<String> {
    let refusal = Refusal::of(&run.stdout, run.status, &[]).ok_or("no refusal")?;
    Ok(refusal.hint)
}

/// Runs a hint, or the part of it that is a command, as a person would.
fn follow(server: &Server, command: &str) -> Outcome<String> {
    let mut shell = account().command("/bin/sh");
    let programs = scratch::root().join("pgcairn");
    let path = format!("{}:{}:/usr/bin:/bin", server.install.bin().display(), programs.parent().unwrap().display());
    run(shell.env("PATH", path).args(["-c", command]))
}
