//! A repository that is away, or has a commit marker that nobody can read: which one it is must be said, and the others
//! must get what is theirs.

use std::fs;

use serde_json::json;

use super::place::{Place, damage_all, objects};
use crate::support::Outcome;
use crate::support::majors::Installation;

/// The middle one of three is not mounted.
pub fn middle(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "required = false\n")?;
    let third = place.site.path("third");
    let lines = format!("[[repository]]\nname = \"third\"\nurl = \"file://{}\"\nrequired = false\n", third.display());
    place.site.configure(&lines)?;
    place.site.init()?;
    let id = place.backup()?;
    fs::rename(place.offsite(), place.site.path("away"))?;
    let copied = place.site.run(&["copy", "--all", "--json"])?.status_is(7)?.json()?;
    let [offsite, third] = [0, 1].map(|n| copied["repositories"][n].clone());
    assert_eq!(
        (&offsite["name"], &offsite["failed"][0]["what"]),
        (&json!("offsite"), &json!("everything")),
        "{copied}"
    );
    assert_eq!((&third["name"], &third["backups"]), (&json!("third"), &json!([id])), "{copied}");
    let said = place.site.run(&["copy", "--all"])?.status_is(7)?;
    said.says(&["NOT COPIED: everything: file://", "is not a repository", "third has all that it should"])?;
    fs::rename(place.site.path("away"), place.offsite())?;
    place.site.run(&["copy", "--all"])?.ok()?.says(&["offsite got 1 backup"])?;
    unreadable_marker(&place, &id)
}

/// The backup is there and nobody sees it: neither is it copied nor is that all well.
fn unreadable_marker(place: &Place, id: &str) -> Outcome {
    let marker = objects(&place.offsite(), "/backups/")?.remove(0);
    damage_all(std::slice::from_ref(&marker))?;
    let reason = format!("backup {id}: its commit marker in offsite cannot be read");
    for arguments in [&["copy", "--all"][..], &["copy", id, "--to", "offsite"]] {
        let copied = place.site.run(arguments)?.status_is(3)?;
        let copied = copied.says(&[
            &format!("NOT COPIED: {reason}"),
            "move ",
            " out of offsite, then pgcairn ",
            "copy --all --to offsite",
        ])?;
        assert!(!copied.stderr.contains("warning"), "{}", copied.stderr);
    }
    let told = place.site.run(&["status", "--wait", "20s", "--json"])?.status_is(3)?.json()?;
    assert_eq!(told["repositories"][1]["behind"]["backups"], 1, "{told}");
    assert_eq!(told["repositories"][2]["behind"]["backups"], 0, "{told}");
    place.site.run(&["list"])?.ok()?.says(&[&reason, " out of offsite, then pgcairn "])?;

    fs::remove_file(marker)?;
    place.site.run(&["copy", "--all", "--to", "offsite"])?.ok()?.says(&["offsite got 1 backup"])?;
    let everywhere = (id.to_owned(), "local+offsite+third".to_owned());
    assert_eq!(place.listed()?, [everywhere]);
    nowhere_sound(place, id)
}

/// Damaged wherever it is: that is no reason to look for it elsewhere.
fn nowhere_sound(place: &Place, id: &str) -> Outcome {
    for root in [place.site.repository(), place.offsite(), place.site.path("third")] {
        damage_all(&objects(&root, "/backups/")?)?;
    }
    let copied = place.site.run(&["copy", "--all", "--to", "offsite", "--json"])?.status_is(3)?.json()?;
    let failed = copied["repositories"][0]["failed"].as_array().cloned().unwrap_or_default();
    assert_eq!(failed.len(), 1, "{copied}");
    assert_eq!(failed[0]["what"], format!("backup {id}"));
    let hint = failed[0]["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("no other repository has it sound"), "{copied}");
    Ok(())
}

/// What archive_command must reach and cannot holds up everything, so the one that is away is named at once.
pub fn required(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "")?;
    place.server.archive_all()?;
    fs::rename(place.offsite(), place.site.path("away"))?;
    let refused = place.site.run(&["backup"])?.status_is(7)?;
    refused.says(&["archive_command", "repository offsite", "required = false", "copy --all"])?;
    let stalled = place.site.run(&["wal", "flush", "--timeout", "2s"])?.status_is(12)?;
    let stalled = stalled.says(&[
        "did not arrive in offsite",
        "is not a repository: the directory does not exist",
        "required = false",
    ])?;
    assert!(!stalled.stderr.contains("did not arrive in file://"), "{}", stalled.stderr);
    // The first has got it all the same, and gets no more: the archiver repeats the oldest.
    let first = segments(&place.site.repository())?;
    place.server.sql("insert into t values (1001)")?;
    place.server.switch_segment()?;
    place.server.wait_archive_failure(0)?;
    let stalled = place.site.run(&["wal", "flush", "--timeout", "2s", "--json"])?.status_is(12)?.json()?;
    let message = stalled["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("archive_command last failed for "), "{message}");
    assert_eq!(segments(&place.site.repository())?, first);

    // Not required, nothing waits for it.
    place.site.configure("required = false\n")?;
    place.backup()?;
    fs::rename(place.site.path("away"), place.offsite())?;
    place.site.run(&["copy", "--all"])?.ok()?.says(&["offsite got 1 backup"])?;
    Ok(())
}

fn segments(root: &std::path::Path) -> Outcome<usize> {
    Ok(objects(root, "/wal/0")?.len())
}
