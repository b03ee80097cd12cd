//! Every system call with which `expire` touches the repository fails, or the process is killed at it; afterwards what
//! the policy keeps is restored on a real server, and the next run does what is left to do.

use crate::faults::strace;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::site::Site;
use crate::support::{Outcome, full_length, skip};

use super::aged::{Aged, grace_over, listed};

const POLICY: &str = "[backup]\njobs = 1\n[retention]\nrecovery_window = \"2d\"\nminimum = 1\n";
const MAIN_MAJOR: u32 = 18;
const SAMPLE: usize = 24;
const LARGE_SAMPLE: usize = 400;

/// What is planned anyway is restored and started so often.
const RESTORED: usize = 8;

pub fn faults(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("PostgreSQL 18 alone unless in full length");
    }
    let aged = Aged::new(install, POLICY, &[20, 10, 3, 1])?;
    aged.server.archive_all()?;
    let scratch = Scratch::new()?;
    for words in [&["expire"][..], &["expire", "--now", "--yes"]] {
        let first = eventful(&aged)?;
        let (calls, run) = strace::record(&first.command(words), scratch.path())?;
        run.ok()?;
        let (faults, _) = strace::faults(&calls, &[&first.repository()]);
        let sample = if full_length() { LARGE_SAMPLE } else { SAMPLE };
        for (number, fault) in strace::sample(faults, sample).into_iter().enumerate() {
            let site = eventful(&aged)?;
            let Some(run) = fault.run(&site.command(words), scratch.path())? else { continue };
            let said = format!("{words:?}, {fault:?}: {}", run.report());
            afterwards(&aged, &site, number).map_err(|stop| format!("{said}\n{stop:?}"))?;
        }
    }
    Ok(())
}

/// A backup that will be dropped, one whose grace time is over, and two that are kept.
fn eventful(aged: &Aged) -> Outcome<Site> {
    let site = aged.site.fork()?;
    site.run(&["expire"])?.ok()?;
    grace_over(&site)?;
    site.run(&["undelete", &aged.ids[0]])?.ok()?;
    site.run(&["release", &aged.ids[0]])?.ok()?;
    Ok(site)
}

fn afterwards(aged: &Aged, site: &Site, number: usize) -> Outcome {
    let there = listed(site, &[])?;
    assert!(there.ends_with(&aged.ids[2..]), "{there:?}");
    for kept in (0..aged.ids.len()).filter(|kept| there.contains(&aged.ids[*kept])) {
        aged.plans(site, kept)?;
    }
    if number.is_multiple_of(RESTORED) {
        aged.restores(site, 2)?;
        assert_eq!(aged.rows_after(site, &["--to", "latest"])?, "4");
    }
    site.run(&["expire"])?.ok()?;
    assert_eq!(listed(site, &[])?, aged.ids[2..]);
    aged.plans(site, 2).map(drop)
}
