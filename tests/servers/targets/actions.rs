//! What a copy does at its target, and what its configuration holds.

use std::fs;

use crate::support::Outcome;
use crate::support::history::Target;
use crate::support::majors::Installation;
use crate::support::server::Shutdown;

use super::copy::{arguments, restore};
use super::origin::{KEPT, LEFTOVERS, Origin, origin};

/// An end of a transaction between the two backups.
fn middle(origin: &Origin) -> Target {
    let [first, second] = &origin.backups[..] else { panic!("two backups") };
    let between: Vec<_> =
        origin.history.records.iter().filter(|r| first.stop < r.start && r.start < second.start).collect();
    Target::Xid(between[between.len() / 2].xid)
}

pub fn of_every_kind(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    let target = middle(&origin);
    let restored = |action: &str| {
        let words: Vec<String> =
            arguments(&target, true).into_iter().chain(["--action".into(), action.into()]).collect();
        restore(&origin.site, install, &words)
    };
    let copy = restored("pause")?;
    copy.pause()?;
    origin.history.verify(&origin.server, &copy.server, &target, true)?;
    copy.resume()?;
    assert_eq!(copy.server.value("select timeline_id from pg_control_checkpoint()")?, "2");
    origin.history.verify(&origin.server, &copy.server, &target, true)?;
    copy.server.amcheck()?;
    copy.server.stop(Shutdown::Fast)?;
    copy.server.verify_checksums()?;

    let copy = restored("promote")?;
    copy.server.start()?;
    copy.server.wait_promoted()?;
    origin.history.verify(&origin.server, &copy.server, &target, true)?;

    let mut copy = restored("shutdown")?;
    copy.server.launch()?;
    copy.server.wait_exit()?;
    copy.server.wait_log("recovery stopping after")?;
    assert_eq!(copy.server.control("Database cluster state")?, "shut down in recovery");
    // Started again it is at the target already, and opens for a look.
    copy.server.override_setting("recovery_target_action", "pause");
    copy.pause()?;
    origin.history.verify(&origin.server, &copy.server, &target, true)
}

/// Nothing of the origin's own recovery and replication settings is left, the rest is; and the copy cannot
/// archive into the origin's history even if it is told to archive.
pub fn no_leftovers(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    let target = middle(&origin);
    let words: Vec<String> =
        arguments(&target, true).into_iter().chain(["--action".into(), "promote".into()]).collect();
    let mut copy = restore(&origin.site, install, &words)?;
    let auto = fs::read_to_string(copy.server.data().join("postgresql.auto.conf"))?;
    for (name, value) in LEFTOVERS {
        assert!(!auto.contains(&format!("{name} = '{value}'")), "{name} is left over:\n{auto}");
    }
    assert!(auto.contains(&format!("{} = '{}'", KEPT.0, KEPT.1)), "{auto}");
    assert!(copy.server.data().join("recovery.signal").exists());
    assert!(!copy.server.data().join("standby.signal").exists());

    let before = origin.site.objects("")?;
    copy.server.override_setting("archive_mode", "on");
    copy.server.start()?;
    copy.server.wait_promoted()?;
    let in_files = |name: &str| {
        copy.server.value(&format!(
            "select coalesce((select setting from pg_file_settings where name = '{name}' order by seqno desc limit 1), '')"
        ))
    };
    assert_eq!(in_files("archive_mode")?, "off");
    for name in ["primary_conninfo", "primary_slot_name", "recovery_end_command", "archive_cleanup_command"] {
        assert_eq!(in_files(name)?, "", "{name}");
    }
    assert!(in_files("archive_command")?.contains("wal push"));
    copy.server.switch_segment()?;
    copy.server.wait_archive_failure(0)?;
    assert_eq!(origin.site.objects("")?, before, "the copy archived");
    Ok(())
}
