//! Whole restores: `pgcairn restore` for each kind of target, the copy recovers by what was laid down alone.

use crate::support::Outcome;
use crate::support::history::{Position, Target};
use crate::support::majors::Installation;
use crate::support::server::Shutdown;

use super::copy::{Copy, arguments, planned, restore};
use super::origin::{Origin, origin};

/// Each kind once; the plan made beforehand is the plan carried out.
pub fn every_kind(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    let records: Vec<_> = origin.history.records.iter().filter(|r| r.start > origin.backups[0].stop).collect();
    let record = |part: usize| records[records.len() * part / 10];
    let targets = [
        (Target::Time(record(1).time), true),
        (Target::Time(record(8).time), false),
        (Target::Lsn(Position(record(3).start.0 + 1)), true),
        (Target::Lsn(record(7).start), false),
        (Target::Xid(record(2).xid), true),
        (Target::Xid(record(9).xid), false),
        (Target::Name(origin.names[0].clone()), true),
    ];
    for (target, inclusive) in targets {
        let mut before = origin.plan(&target, inclusive)?;
        let copy = restore(&origin.site, install, &arguments(&target, inclusive))?;
        same_plan(&mut before, &copy);
        copy.pause()?;
        origin.history.verify(&origin.server, &copy.server, &target, inclusive)?;
        logged(&origin, &copy, &target, inclusive)?;
    }
    Ok(())
}

/// But for the directory and the room on its disk.
fn same_plan(before: &mut serde_json::Value, copy: &Copy) {
    let mut done = copy.plan.clone();
    for plan in [&mut *before, &mut done] {
        plan["target_dir"] = "".into();
        plan["bytes_free"] = 0.into();
        let settings = plan["settings"].as_array_mut().expect("a plan has settings");
        settings.retain(|line| !line.as_str().unwrap_or_default().starts_with("restore_command"));
    }
    assert_eq!(*before, done);
}

/// What recovery says of its stop is what the history says.
fn logged(origin: &Origin, copy: &Copy, target: &Target, inclusive: bool) -> Outcome {
    let words = match target {
        Target::Lsn(lsn) => {
            let side = if inclusive { "after" } else { "before" };
            format!("recovery stopping {side} WAL location (LSN) \"{lsn}\"").replace(&format!(" \"{lsn}\""), "")
        }
        Target::Name(name) => format!("recovery stopping at restore point \"{name}\""),
        Target::Time(_) => {
            let end = origin.history.end(&origin.server, target, inclusive)?.ok_or("it has an end")?;
            let stop = origin.history.records.iter().find(|r| r.start == end).ok_or("a transaction ends there")?;
            let what = if stop.committed { "commit" } else { "abort" };
            format!("recovery stopping before {what} of transaction {}", stop.xid)
        }
        Target::Xid(xid) => {
            let record = origin.history.records.iter().find(|r| r.xid == *xid).ok_or("it is in the history")?;
            let what = if record.committed { "commit" } else { "abort" };
            let side = if inclusive { "after" } else { "before" };
            format!("recovery stopping {side} {what} of transaction {xid}")
        }
        Target::Immediate(_) => "recovery stopping after reaching consistency".to_owned(),
        Target::Latest => return Ok(()),
    };
    copy.server.wait_log(&words)
}

/// The two ends of each backup: its own, and that of the archive. What was opened is sound.
pub fn immediate_and_latest(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    assert_eq!(origin.backups.len(), 2);
    for backup in &origin.backups {
        let target = Target::Immediate(backup.stop);
        let copy = restore(&origin.site, install, &["--backup", &backup.id])?;
        assert_eq!(copy.plan["stops_at"], backup.stop.to_string());
        copy.pause()?;
        origin.history.verify(&origin.server, &copy.server, &target, true)?;
        logged(&origin, &copy, &target, true)?;

        let copy = restore(&origin.site, install, &["--backup", &backup.id, "--to", "latest"])?;
        assert_eq!(copy.plan["action"], "promote");
        copy.server.start()?;
        copy.server.wait_promoted()?;
        origin.history.verify(&origin.server, &copy.server, &Target::Latest, true)?;
        origin.check_last_commit(&copy.plan, &Target::Latest, true)?;
        copy.server.amcheck()?;
        copy.server.stop(Shutdown::Fast)?;
        copy.server.verify_checksums()?;
    }
    let newest = planned(&origin.site, &["--to", "latest"])?;
    assert_eq!(newest["backup"], origin.backups[1].id.as_str());
    Ok(())
}

/// Up to a time at which two transactions committed: both, or neither.
pub fn equal_commit_times(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    let time = origin.equal_time;
    let at_that_time = || origin.history.records.iter().filter(|r| r.committed && r.time == time).map(|r| r.xid);
    assert!(at_that_time().count() > 1);
    for inclusive in [true, false] {
        let target = Target::Time(time);
        let copy = restore(&origin.site, install, &arguments(&target, inclusive))?;
        copy.pause()?;
        origin.history.verify(&origin.server, &copy.server, &target, inclusive)?;
    }
    Ok(())
}
