//! Refusals of docs/errors.md that need a cluster or a repository: each is provoked, compared with its row word for
//! word, and what its hint says is done.

mod archive;
mod disk;
mod edited;
mod example;
mod fetch;
mod push;
mod repository;
mod restore;
mod server;
mod tablespaces;
mod timelines;

#[allow(dead_code)] // the table of codes needs no server
#[path = "../../errors_doc/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use super::support::account::account;
use super::support::majors::Installation;
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
        Scenario { name: "refusals::archive", run: archive::refusals },
        Scenario { name: "refusals::timelines", run: timelines::refusals },
        Scenario { name: "refusals::edited", run: edited::refusals },
        Scenario { name: "refusals::fetch", run: fetch::refusals },
        Scenario { name: "refusals::tablespaces", run: tablespaces::refusals },
        Scenario { name: "refusals::disk", run: disk::refusals },
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

    /// `restore` into the site's directory `new` is; returns the hint.
    fn restore(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<String> {
        let words = restore_words(site, arguments);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        hint(&self.refuses_with_identity(when, site, &words)?)
    }

    fn end(self) -> Outcome {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("docs/errors.md should have\n{}", self.wrong.join("\n")).into()),
        }
    }
}

fn restore_words(site: &Site, arguments: &[&str]) -> Vec<String> {
    let target = site.path("new").display().to_string();
    let all = ["restore", "--target-dir", &target].into_iter().chain(arguments.iter().copied());
    all.map(str::to_owned).collect()
}

fn restored(site: &Site, arguments: &[&str]) -> Outcome<Run> {
    let words = restore_words(site, arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    site.run_with_identity(&words)?.ok()
}

/// The plan alone: shows that these arguments are taken.
fn plan(site: &Site, arguments: &[&str]) -> Outcome<Run> {
    restored(site, &[arguments, &["--plan"]].concat())
}

/// An archiving server and a site with one backup of it. One worker, so that the backup has few parts.
fn backed_up(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    site.configure("[backup]\njobs = 1\n")?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table t as select generate_series(1, 10) as n")?;
    site.run(&["backup"])?.ok()?;
    Ok((server, site))
}

/// A process that reads itself meets an error of the disk at the first byte.
fn make_unreadable(object: &Path) -> Outcome {
    std::fs::remove_file(object)?;
    Ok(std::os::unix::fs::symlink("/proc/self/mem", object)?)
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
        (std::env::consts::ARCH.to_owned(), "x86_64"),
    ]
}

/// The hint of a refusal, as this run said it.
fn hint(run: &Run) -> Outcome<String> {
    let refusal = Refusal::of(&run.stdout, run.status, &[]).ok_or("no refusal")?;
    Ok(refusal.hint)
}

/// Runs a hint, or the part of it that is a command, as a person would.
fn follow(server: &Server, command: &str) -> Outcome<String> {
    let path = format!("{}:{}", server.install.bin().display(), programs().display());
    run(account().command("/bin/sh").env("PATH", path + ":/usr/bin:/bin").args(["-c", command]))
}

/// What a hint proposes after a word such as `--to-lsn`.
fn proposed<'h>(hint: &'h str, word: &str) -> Outcome<&'h str> {
    let rest = hint.split_once(word).ok_or_else(|| format!("no {word} in {hint:?}"))?.1;
    Ok(rest.split_whitespace().next().unwrap_or_default().trim_matches(|c| "',;".contains(c)))
}

/// Runs the command of pgcairn that a hint ends with.
fn follow_pgcairn(hint: &str) -> Outcome<String> {
    let command = hint.find("pgcairn ").map(|at| &hint[at..]).ok_or_else(|| format!("no command in {hint:?}"))?;
    run(account()
        .command("/bin/sh")
        .env("PATH", format!("{}:/usr/bin:/bin", programs().display()))
        .args(["-c", command]))
}

/// Where the binary lies.
fn programs() -> &'static Path {
    binary().parent().unwrap_or(scratch::root())
}
