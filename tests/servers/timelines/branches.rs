//! One cluster, promoted twice: a restored copy becomes the server, then a standby does when its primary is lost
//! with WAL that was never archived.

use std::fs;

use crate::support::history::Rows;
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown, run};
use crate::support::site::Site;
use crate::support::{Outcome, account::account, ledger};
use crate::targets::copy::{Copy, last_object, planned, restore, writes_nothing};

const UNREACHABLE: i32 = 12;

/// A backup, and what was there when it ended and at the end of its timeline.
struct Branch {
    timeline: u32,
    backup: String,
    at_backup: Rows,
    at_end: Rows,
}

pub fn two_promotions(install: &'static Installation) -> Outcome {
    let first = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&first)?;
    site.init()?;
    site.archive_from(&first)?;
    ledger::create(&first)?;
    let mut branches = Vec::new();
    let kept = branch(&first, &site, &mut branches, "here")?;
    first.stop(Shutdown::Fast)?;

    let second = take_over(&mut site, install)?;
    same(&second.server, &kept)?;
    branch(&second.server, &site, &mut branches, "there")?;

    let third = fail_over(&second.server, &mut site, install)?;
    let lost = third.lost;
    branch(&third.server, &site, &mut branches, "beyond")?;

    every_end(&site, install, &branches)?;
    partial_is_not_served(&site, &lost)?;
    a_new_timeline_is_new(&site, install, &branches)?;
    missing_history(&site)
}

/// Rows, a backup, rows, a restore point, rows: the last ones are what a recovery to the point loses. Returns
/// what is there at the point.
fn branch(server: &Server, site: &Site, branches: &mut Vec<Branch>, point: &str) -> Outcome<Rows> {
    let commit = || (0..3).try_for_each(|_| ledger::commit(server).map(drop));
    commit()?;
    let report = last_object(&site.run(&["--json", "backup"])?.ok()?)?;
    let at_backup = ledger::rows(server)?;
    commit()?;
    server.sql(&format!("select pg_create_restore_point('{point}')"))?;
    let at_point = ledger::rows(server)?;
    commit()?;
    server.archive_all()?;
    branches.push(Branch {
        timeline: report["timeline"].as_u64().unwrap_or_default().try_into()?,
        backup: report["id"].as_str().unwrap_or_default().to_owned(),
        at_backup,
        at_end: ledger::rows(server)?,
    });
    Ok(at_point)
}

fn same(server: &Server, expected: &Rows) -> Outcome {
    let there = ledger::rows(server)?;
    if there == *expected { Ok(()) } else { Err(format!("there are {there:?}\nexpected: {expected:?}").into()) }
}

/// A copy restored to the first branch's point, which then is the server and archives.
fn take_over(site: &mut Site, install: &'static Installation) -> Outcome<Copy> {
    let mut copy = restore(site, install, &["--to-name", "here", "--action", "promote"])?;
    copy.server.override_setting("archive_mode", "on");
    site.point_at(&copy.server)?;
    copy.server.start()?;
    copy.server.wait_promoted()?;
    assert_eq!(timeline(&copy.server)?, "2");
    Ok(copy)
}

fn timeline(server: &Server) -> Outcome<String> {
    server.sql("checkpoint")?;
    server.value("select timeline_id from pg_control_checkpoint()")
}

struct FailedOver {
    server: Server,
    /// A position that only the lost primary's last segment holds, and that segment.
    lost: (String, String),
}

/// The primary dies with a segment that it never archived; its standby has it, and is promoted.
fn fail_over(primary: &Server, site: &mut Site, install: &'static Installation) -> Outcome<FailedOver> {
    let data = primary.scratch().join("standby");
    run(primary.program("pg_basebackup").args(["-c", "fast", "-X", "stream", "-D"]).arg(&data))?;
    let standby = |name: &str, value: &str| format!("{name} = '{value}'\n");
    let auto = data.join("postgresql.auto.conf");
    // In place of the recovery settings that the primary was itself restored with.
    let text = standby("primary_conninfo", &primary.connection());
    account().write(&auto, text, 0o600)?;
    account().write(&data.join("standby.signal"), "", 0o600)?;
    let mut server = Server::adopt(install, &data)?;
    server.override_setting("archive_mode", "on");
    server.start()?;

    ledger::commit(primary)?;
    let lost = (primary.lsn()?, primary.segment()?);
    ledger::commit(primary)?;
    let (flushed, rows) = (primary.value("select pg_current_wal_flush_lsn()")?, ledger::rows(primary)?);
    let caught_up = format!("select pg_last_wal_replay_lsn() >= '{flushed}'");
    crate::support::wait::wait_for("the standby to catch up", || Ok((server.value(&caught_up)? == "t").then_some(())))?;
    primary.stop(Shutdown::Kill)?;
    site.point_at(&server)?;
    server.sql("select pg_promote()")?;
    server.wait_promoted()?;
    assert_eq!(timeline(&server)?, "3");
    same(&server, &rows)?;
    Ok(FailedOver { server, lost })
}

/// The two ends of every backup on its own timeline, and the end of the newest timeline from each.
fn every_end(site: &Site, install: &'static Installation, branches: &[Branch]) -> Outcome {
    let newest = &branches[branches.len() - 1];
    for branch in branches {
        let copy = restore(site, install, &["--backup", &branch.backup])?;
        copy.pause()?;
        same(&copy.server, &branch.at_backup)?;

        let own = branch.timeline.to_string();
        let on_own = restore(site, install, &["--to", "latest", "--timeline", &own])?;
        assert_eq!(on_own.plan["backup"], branch.backup.as_str());
        opens_with(&on_own, &branch.at_end)?;
        let across = restore(site, install, &["--backup", &branch.backup, "--to", "latest"])?;
        assert_eq!(across.plan["timeline"], newest.timeline);
        opens_with(&across, &newest.at_end)?;
    }
    let plan = planned(site, &["--to-name", "beyond"])?;
    assert_eq!(plan["backup"], newest.backup.as_str());
    // A point of the first timeline, seen from the third, is before the point at which it was left.
    let plan = planned(site, &["--to-name", "here"])?;
    assert_eq!((&plan["backup"], &plan["timeline"]), (&branches[0].backup.as_str().into(), &newest.timeline.into()));
    let off = &["--backup", &*newest.backup, "--to", "latest", "--timeline", "1"];
    writes_nothing(site, off)?.status_is(UNREACHABLE)?.says(&[&newest.backup, "not in the history of timeline 1"])?;
    writes_nothing(site, &["--to", "latest", "--timeline", "9"])?.status_is(5)?.says(&["00000009.history"])?;
    Ok(())
}

fn opens_with(copy: &Copy, rows: &Rows) -> Outcome {
    copy.server.start()?;
    copy.server.wait_promoted()?;
    same(&copy.server, rows)
}

/// What the lost primary wrote last lies in the archive as `.partial`, and as the third timeline's segment.
fn partial_is_not_served(site: &Site, lost: &(String, String)) -> Outcome {
    let (lsn, segment) = lost;
    site.object(&format!("{segment}.partial"))?;
    assert_eq!(site.objects(&format!("{segment}.zst"))?.len(), 0, "{segment} is archived whole");
    let words = ["--to-lsn", lsn, "--timeline", "2"];
    writes_nothing(site, &words)?.status_is(UNREACHABLE)?.says(&["is beyond the end of the archive"])?;
    planned(site, &["--to-lsn", lsn, "--timeline", "3"]).map(drop)
}

/// Timelines 2 and 3 are in the archive: what opens on the first one must not become another 2.
fn a_new_timeline_is_new(site: &Site, install: &'static Installation, branches: &[Branch]) -> Outcome {
    let copy = restore(site, install, &["--to", "latest", "--timeline", "1"])?;
    opens_with(&copy, &branches[0].at_end)?;
    assert_eq!(timeline(&copy.server)?, "4");
    Ok(())
}

/// Without the history of timeline 2 the archive does not prove what the newest timeline is.
fn missing_history(site: &Site) -> Outcome {
    let site = site.fork()?;
    for object in site.objects("00000002.history")? {
        fs::remove_file(object)?;
    }
    writes_nothing(&site, &["--to", "latest"])?.status_is(UNREACHABLE)?.says(&["00000002.history is missing"])?;
    // Both ways that the hint names.
    assert_eq!(planned(&site, &["--to", "latest", "--timeline", "1"])?["timeline"], 1);
    assert_eq!(planned(&site, &["--to", "latest", "--timeline", "3"])?["timeline"], 3);
    Ok(())
}
