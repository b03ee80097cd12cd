//! Refusals of docs/errors.md that need a cluster or a repository: each is provoked, compared with its row word for
//! word, and what its hint says is done.

mod archive;
mod backup;
mod cluster;
mod disk;
mod drill;
mod dump;
mod edited;
mod example;
mod fetch;
mod init;
mod keys;
mod own;
mod push;
mod repository;
mod restore;
mod retention;
mod server;
mod several;
mod signed;
mod single_table;
mod start;
mod tablespaces;
mod timelines;
mod tls;

#[allow(dead_code)] // the table of codes needs no server
#[path = "../../errors_doc/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use pgcairn::model::error::Code;
use serde_json::{Value, json};

use super::support::account::account;
use super::support::majors::Installation;
use super::support::server::{Server, run};
use super::support::site::{Run, Site, binary};
use super::support::{Outcome, Scenario, scratch};
use table::Refusal;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "refusals::repository", run: repository::refusals },
        Scenario { name: "refusals::keys", run: keys::refusals },
        Scenario { name: "refusals::init", run: init::refusals },
        Scenario { name: "refusals::server", run: server::refusals },
        Scenario { name: "refusals::cluster", run: cluster::refusals },
        Scenario { name: "refusals::backup", run: backup::refusals },
        Scenario { name: "refusals::own", run: own::refusals },
        Scenario { name: "refusals::push", run: push::refusals },
        Scenario { name: "refusals::restore", run: restore::refusals },
        Scenario { name: "refusals::archive", run: archive::refusals },
        Scenario { name: "refusals::timelines", run: timelines::refusals },
        Scenario { name: "refusals::edited", run: edited::refusals },
        Scenario { name: "refusals::signed", run: signed::refusals },
        Scenario { name: "refusals::fetch", run: fetch::refusals },
        Scenario { name: "refusals::tablespaces", run: tablespaces::refusals },
        Scenario { name: "refusals::drill", run: drill::refusals },
        Scenario { name: "refusals::single_table", run: single_table::refusals },
        Scenario { name: "refusals::dump", run: dump::refusals },
        Scenario { name: "refusals::tls", run: tls::refusals },
        Scenario { name: "refusals::start", run: start::refusals },
        Scenario { name: "refusals::disk", run: disk::refusals },
        Scenario { name: "refusals::retention", run: retention::refusals },
        Scenario { name: "refusals::several", run: several::refusals },
    ]
}

/// The document, and what does not agree with it so far.
pub struct Document {
    rows: BTreeMap<String, Refusal>,
    wrong: Vec<String>,
}

impl Document {
    pub fn new() -> Document {
        let rows = table::rows().into_iter().map(|row| (row.when, row.refusal)).collect();
        Document { rows, wrong: Vec::new() }
    }

    /// `arguments` are refused as the row says.
    pub fn refuses(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<Run> {
        let run = site.run(&[arguments, &["--json"]].concat())?;
        self.compare(when, site, run)
    }

    /// The same with the identity at hand.
    fn refuses_with_identity(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<Run> {
        let run = site.run_with_identity(&[arguments, &["--json"]].concat())?;
        self.compare(when, site, run)
    }

    /// What a run with `--json` said must be the row's.
    pub fn compare(&mut self, when: &str, site: &Site, run: Run) -> Outcome<Run> {
        let said = Refusal::of(&run.stdout, run.status, &names(site));
        let said = said.ok_or_else(|| format!("{when}: not refused\n{}", run.report()))?;
        self.hold(when, said);
        Ok(run)
    }

    fn hold(&mut self, when: &str, said: Refusal) {
        let said = example::of(said);
        if self.rows.get(when) != Some(&said) {
            self.wrong.push(said.row(when));
        }
    }

    /// The run went on, with a warning that contains `text`; the status is the one that the warning carries.
    pub fn warned(&mut self, when: &str, site: &Site, run: &Run, text: &str) -> Outcome {
        let events = run.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut warnings = events.filter(|event| event["event"] == "warning");
        let warning = warnings.find(|warning| warning["message"].as_str().is_some_and(|said| said.contains(text)));
        let warning = warning.ok_or_else(|| format!("{when}: no warning\n{}", run.report()))?;
        let status = warning["exit_status"].as_i64().unwrap_or(-1) as i32;
        let said = Refusal::of(&json!({ "error": warning }).to_string(), status, &names(site)).ok_or("no warning")?;
        self.hold(when, said);
        Ok(())
    }

    /// `check` found it, and has the status that follows from it.
    fn found(&mut self, when: &str, site: &Site, run: &Run, subject: &str) -> Outcome {
        let report = run.result()?;
        let finding = report["findings"].as_array().into_iter().flatten().find(|f| f["subject"] == subject);
        let finding = finding.ok_or_else(|| format!("{when}: not found\n{}", run.report()))?;
        let failed = finding["verdict"] == "fail";
        let code = Code::ALL.iter().find(|code| failed && i32::from(code.exit_status()) == run.status);
        let code = code.copied().unwrap_or(Code::Flagged);
        let error = json!({ "code": code.name(), "message": finding["message"], "hint": finding["hint"] });
        let status = i32::from(code.exit_status());
        let said = Refusal::of(&json!({ "error": error }).to_string(), status, &names(site)).ok_or("no finding")?;
        self.hold(when, said);
        Ok(())
    }

    /// Done, and flagged in the words for a person; returns the command that comes next.
    pub fn flawed(&mut self, when: &str, site: &Site, run: &Run) -> Outcome<String> {
        let mut lines = run.stdout.lines().skip_while(|line| !line.starts_with("DAMAGED"));
        let message: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("next:")).map(str::trim).collect();
        let next = run.stdout.lines().find_map(|line| line.strip_prefix("next: ")).unwrap_or_default();
        let error = json!({ "code": Code::Flagged.name(), "message": message.join(" "), "hint": next });
        let said = Refusal::of(&json!({ "error": error }).to_string(), run.status, &names(site)).ok_or("no flaw")?;
        self.hold(when, said);
        Ok(next.to_owned())
    }

    /// `restore` into the site's directory `new` is; returns the hint.
    fn restore(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<String> {
        let words = restore_words(site, arguments);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        hint(&self.refuses_with_identity(when, site, &words)?)
    }

    pub fn end(self) -> Outcome {
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

fn archiving(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    Ok((server, site))
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
        (shown(&site.path("offsite")), "/mnt/pgcairn"),
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
