//! What is there and no use, or is not what it seems: what is told of it, and what rests on it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::place::{Place, damage_all, objects};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Run;
use crate::support::{Outcome, damage};

fn plan(place: &Place, words: &[&str]) -> Outcome<Run> {
    let target = place.site.path("planned").display().to_string();
    place.site.run_with_identity(&[&["restore", "--plan", "--target-dir", &target], words].concat())
}

fn status(place: &Place, exit_status: i32) -> Outcome<Value> {
    place.site.run(&["status", "--wait", "20s", "--json"])?.status_is(exit_status)?.json()
}

/// Another letter in the signature, of the same alphabet.
fn rot_signature(marker: &Path) -> Outcome {
    let text = fs::read_to_string(marker)?;
    let at = text.rfind("\"value\":\"").ok_or("it is signed")? + "\"value\":\"".len();
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    damage::replace(marker, format!("{}{other}{}", &text[..at], &text[at + 1..]).as_bytes())
}

/// A backup whose signature is wrong is restored by nobody: it is not copied, and displaces no other.
pub fn rotten_signature(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\nretention = { recovery_window = \"1s\", minimum = 1 }\n")?;
    let first = place.backup()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    let second = place.backup()?;
    rot_signature(&objects(&place.site.repository(), &format!("/backups/{second}"))?.remove(0))?;
    let copied = place.site.run(&["copy", "--all"])?.status_is(3)?;
    copied.says(&["NOT COPIED", &second, "its signature"])?;
    assert_eq!(status(&place, 3)?["repositories"][0]["untrusted_backups"], 1);

    // Where it rots at the destination the sound one stays, though one is enough and it is the older.
    let third = place.backup()?;
    place.site.run(&["copy", &third, "--to", "offsite"])?.ok()?;
    rot_signature(&objects(&place.offsite(), &format!("/backups/{third}"))?.remove(0))?;
    place.site.run(&["list"])?.ok()?.says(&["signature in offsite: WRONG"])?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.site.run(&["expire", "--repository", "offsite", "--now", "--yes"])?.ok()?;
    plan(&place, &["--backup", &first, "--repository", "offsite"])?.ok().map(drop)
}

/// By a link, a mount or another endpoint.
pub fn one_place_twice(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\nretention = { recovery_window = \"1s\", minimum = 1 }\n")?;
    let (first, _) = (place.backup()?, place.backup()?);
    fs::remove_dir_all(place.offsite())?;
    std::os::unix::fs::symlink(place.site.repository(), place.offsite())?;
    let one = "repositories local and offsite are one";
    place.site.run(&["check"])?.status_is(2)?.says(&[one])?;
    place.site.run(&["copy", "--all"])?.status_in(2..=3)?.says(&[one])?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    for words in [&["expire", "--repository", "offsite"][..], &["expire"]] {
        place.site.run(words)?.status_is(2)?.says(&["are one: both are"])?;
    }
    assert!(place.listed()?.iter().any(|row| row.0 == first));
    Ok(())
}

/// After an upgrade: the cluster that runs has no backup yet, and the one before keeps its own.
pub fn another_generation(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "")?;
    let old = place.backup()?;
    place.server.archive_all()?;
    assert_eq!(status(&place, 0)?["repositories"][0]["backups"], 1);
    place.server.stop(Shutdown::Fast)?;
    let upgraded = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    place.site.point_at(&upgraded)?;
    place.site.archive_from(&upgraded)?;
    upgraded.archive_all()?;
    let told = status(&place, 3)?;
    assert_ne!(told["server"]["system_identifier"], told["repositories"][0]["system_identifier"]);
    assert_eq!(told["verdict"]["reasons"][0]["reason"], "other-cluster", "{told}");
    let said = place.site.run(&["status"])?.status_is(3)?;
    said.says(&["the newest backup is of another cluster than the one", "backup\n"])?;
    place.site.run(&["backup"])?.ok()?;
    status(&place, 0)?;
    // What the cluster was before is restored by its id.
    place.site.run(&["show", &old])?.ok()?.says(&[&old])?;
    place.site.run(&["verify", &old])?.ok()?;
    place.restored("before", &["--backup", &old, "--action", "promote"]).map(drop)
}

/// Whatever `status` calls restorable a restore accepts: with a backup that nobody signed, and without a history.
pub fn claimed_and_restored(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    place.server.archive_all()?;
    place.server.stop(Shutdown::Fast)?;
    account().write(&place.server.data().join("recovery.signal"), "", 0o600)?;
    place.server.append_setting("restore_command", "'/bin/false'")?;
    place.server.start()?;
    place.server.wait_promoted()?;
    for value in 1001..1003 {
        place.server.sql(&format!("insert into t values ({value})"))?;
        place.server.archive_all()?;
    }
    assert_eq!(accepted(&place, 0)?, 1, "of the first timeline nothing was committed");
    objects(&place.site.repository(), "00000002.history")?.iter().try_for_each(fs::remove_file)?;
    assert_eq!(accepted(&place, 3)?, 0);

    let marker = objects(&place.site.repository(), "/backups/")?.remove(0);
    let text = fs::read_to_string(&marker)?;
    let (summary, seal) = text.split_once('\n').ok_or("a marker has two lines")?;
    let mut seal: Value = serde_json::from_str(seal)?;
    seal["signature"] = Value::Null;
    damage::replace(&marker, format!("{summary}\n{seal}\n").as_bytes())?;
    assert_eq!(accepted(&place, 3)?, 0);
    assert_eq!(status(&place, 3)?["verdict"]["reasons"][0]["reason"], "backups-untrusted");
    place.site.run(&["status"])?.status_is(3)?.says(&["1 NOT TRUSTED", "NOTHING"]).map(drop)
}

/// How many windows with a last moment are told, each of which a restore accepts.
fn accepted(place: &Place, exit_status: i32) -> Outcome<usize> {
    let told = status(place, exit_status)?;
    let windows = told["repositories"][0]["restorable"].as_array().cloned().unwrap_or_default();
    let with_end: Vec<&Value> = windows.iter().filter(|window| window["to"].is_string()).collect();
    for window in &with_end {
        let (to, timeline) = (window["to"].as_str().unwrap_or_default(), window["timeline"].to_string());
        plan(place, &["--to", to, "--timeline", &timeline, "--repository", "local"])?.ok()?;
    }
    Ok(with_end.len())
}

/// A backup that cannot be copied stands in no other's way: neither with `keep`, nor where expiry would prefer it.
pub fn in_nobody_s_way(install: &'static Installation) -> Outcome {
    for (lines, damaged) in [("keep = \"yearly\"", 0), ("retention = { recovery_window = \"1s\", minimum = 1 }", 1)] {
        let place = Place::new(install, &format!("required = false\n{lines}\n"))?;
        let both = [place.backup()?, place.backup()?];
        damage_all(&objects(&place.site.repository(), &format!("/packs/{}/", both[damaged]))?)?;
        std::thread::sleep(std::time::Duration::from_millis(1100));
        place.site.run(&["copy", "--all"])?.status_is(3)?.says(&["NOT COPIED", &both[damaged]])?;
        let sound = &both[1 - damaged];
        assert!(place.listed()?.contains(&(sound.clone(), "local+offsite".to_owned())), "{lines}");
    }
    Ok(())
}

/// The trash of a backup that was brought back does not keep `copy` from bringing it once more.
pub fn undeleted_and_lost(install: &'static Installation) -> Outcome {
    let lines = "required = false\nretention = { recovery_window = \"30d\" }\n[retention]\nrecovery_window = \"1s\"\n\
                 minimum = 1\n";
    let place = Place::new(install, lines)?;
    let (first, _) = (place.backup()?, place.backup()?);
    place.site.run(&["copy", "--all"])?.ok()?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.site.run(&["expire"])?.ok()?;
    place.site.run(&["undelete", &first])?.ok()?;
    fs::remove_file(objects(&place.site.repository(), &format!("/backups/{first}"))?.remove(0))?;
    place.site.run(&["copy", &first, "--to", "local"])?.ok()?;
    assert!(place.listed()?.contains(&(first, "local+offsite".to_owned())));
    Ok(())
}

/// A list of objects that a killed copy left, and that is not what it should be, is not relied on.
pub fn a_list_that_is_cut(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    let id = place.backup()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    fs::remove_file(objects(&place.offsite(), "/backups/")?.remove(0))?;
    let list = objects(&place.offsite(), "/objects/")?.remove(0);
    damage::truncate(&list, fs::metadata(&list)?.len() as usize - 1)?;
    place.site.run(&["copy", "--all"])?.status_is(3)?.says(&["NOT COPIED", &id, "/objects/"])?;
    assert!(objects(&place.offsite(), "/backups/")?.is_empty());
    fs::remove_file(&list)?;
    place.site.run(&["copy", "--all"])?.ok().map(drop)
}
