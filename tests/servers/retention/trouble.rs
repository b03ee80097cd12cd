//! Kills, two runs at once, a backup at work, a full disk.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::refusals::Document;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::mounted::Mounted;
use crate::support::process::signal;
use crate::support::server::run;
use crate::support::site::{Run, Site};
use crate::support::{Outcome, full_length};

use super::aged::{Aged, grace_over, listed};

const POLICY: &str = "[backup]\njobs = 1\n[retention]\nrecovery_window = \"2d\"\nminimum = 1\n";

pub fn trouble(install: &'static Installation) -> Outcome {
    let aged = Aged::new(install, POLICY, &[20, 10, 3, 1])?;
    aged.server.archive_all()?;
    killed(&aged)?;
    two_at_once(&aged)?;
    full_disk(&aged)
}

/// At any moment: what is listed can be restored, and the next run does what is left to do.
fn killed(aged: &Aged) -> Outcome {
    let rounds = if full_length() { 60 } else { 8 };
    for round in 0..rounds {
        let site = aged.site.fork()?;
        site.run(&["expire"])?.ok()?;
        grace_over(&site)?;
        site.run(&["undelete", &aged.ids[0]])?.ok()?;
        site.run(&["release", &aged.ids[0]])?.ok()?;
        let words: &[&str] = if round % 2 == 0 { &["expire"] } else { &["expire", "--now", "--yes"] };
        let mut expire = site.command(words).spawn()?;
        thread::sleep(Duration::from_micros(4000 * round / (rounds / 8)));
        signal(expire.id() as i32, Signal::KILL);
        expire.wait()?;
        promised(aged, &site, &format!("killed in round {round}"))?;
        site.run(words)?.ok()?;
        assert_eq!(listed(&site, &[])?, aged.ids[2..]);
        if words.len() > 1 {
            assert!(site.objects(&aged.ids[0])?.is_empty(), "a killed one leaves nothing for the grace time");
        }
    }
    Ok(())
}

/// Every object that a listed backup names is there, and its WAL.
fn promised(aged: &Aged, site: &Site, step: &str) -> Outcome {
    let there = listed(site, &[])?;
    assert!(there.ends_with(&aged.ids[2..]), "{step}: {there:?}");
    for number in (0..aged.ids.len()).filter(|number| there.contains(&aged.ids[*number])) {
        aged.plans(site, number).map_err(|stop| format!("{step}: {stop:?}"))?;
    }
    Ok(())
}

fn two_at_once(aged: &Aged) -> Outcome {
    let site = aged.site.fork()?;
    for _ in 0..2 {
        let mut runs = (0..3).map(|_| site.command(&["expire"]).spawn()).collect::<Result<Vec<_>, _>>()?;
        for run in &mut runs {
            assert!(run.wait()?.success(), "an expiry beside others");
        }
        promised(aged, &site, "several at once")?;
        grace_over(&site)?;
    }
    assert_eq!(listed(&site, &[])?, aged.ids[2..]);
    assert!(site.objects(&aged.ids[0])?.is_empty());
    Ok(())
}

/// The repository on a disk without a byte left.
fn full_disk(aged: &Aged) -> Outcome {
    let site = aged.site.fork()?;
    let disk = Mounted::over(&site.path("small"), "size=256m")?;
    let (site, small) = (&site, disk.path());
    run(account().command("/bin/cp").arg("-a").arg(site.repository()).arg(small))?;
    let text = fs::read_to_string(site.config())?;
    let (old, new) = (site.repository().display().to_string(), small.join("repo").display().to_string());
    account().write(&site.config(), text.replace(&old, &new), 0o644)?;
    let _ = fs::write(small.join("filler"), vec![1; 256 << 20]);
    let mut document = Document::new();
    document.refuses("expire on a full disk", site, &["expire"])?;
    document.end()?;
    for round in 0..4 {
        let mut expire = site.command(&["expire", "--now", "--yes"]).spawn()?;
        thread::sleep(Duration::from_micros(3000 * round));
        signal(expire.id() as i32, Signal::KILL);
        expire.wait()?;
        let _ = fs::write(small.join("filler"), vec![1; 256 << 20]);
        promised(aged, site, &format!("killed on a full disk in round {round}"))?;
    }
    let freed = site.run(&["expire", "--now", "--yes", "--json"])?.ok()?.json()?;
    assert!(freed["backups"].as_array().is_some_and(|rows| rows.len() >= 2), "{freed}");
    assert_eq!(listed(site, &[])?, aged.ids[2..]);
    for id in &aged.ids[..2] {
        let left = run(Command::new("find").arg(small).args(["-type", "f", "-path"]).arg(format!("*{id}*")))?;
        assert_eq!(left, "", "a run that was killed on a full disk hides nothing from the next one");
    }
    aged.restores(site, 3)
}

/// Expiry, at once and with grace, over and over beside a slow backup.
pub fn beside_a_backup(install: &'static Installation) -> Outcome {
    let lines = POLICY.replace("jobs = 1\n", "jobs = 1\nmax_rate = \"6MiB\"\n");
    let aged = Aged::new(install, &lines, &[9, 3])?;
    let mut backup = aged.site.command(&["backup", "--json"]);
    let backup = thread::spawn(move || Run::of(&mut backup).map_err(|stop| format!("{stop:?}")));
    let mut runs = 0;
    while !backup.is_finished() {
        let words: &[&str] = if runs % 2 == 0 { &["expire"] } else { &["expire", "--now", "--yes"] };
        aged.site.run(words)?.ok()?;
        runs += 1;
    }
    assert!(runs > 2, "only {runs} expiries beside the backup");
    let report = backup.join().map_err(|_| "the backup panicked")??.ok()?.result()?;
    let id = report["id"].as_str().unwrap_or_default();
    assert!(listed(&aged.site, &[])?.iter().any(|there| there == id));
    assert_eq!(aged.rows_after(&aged.site, &["--backup", id, "--action", "promote"])?, "2");
    aged.rows_after(&aged.site, &["--to", "latest"]).map(|rows| assert_eq!(rows, "2"))
}
