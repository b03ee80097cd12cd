//! A repository that success does not wait for, one that gets a backup a month, and a copy that is killed.

use std::fs;

use super::place::{Place, names, objects};
use crate::support::majors::Installation;
use crate::support::{Outcome, full_length};

pub fn drained(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    let away = place.site.path("away");
    fs::rename(place.offsite(), &away)?;
    let (first, second) = (place.backup()?, place.backup()?);
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    place.site.run(&["check"])?.status_is(3)?.says(&["offsite: repository"])?;
    let names_of = |id: &str| (id.to_owned(), "local".to_owned());
    assert_eq!(place.listed()?, [names_of(&first), names_of(&second)]);
    place.site.run(&["copy", "--all"])?.status_is(7)?;

    fs::rename(&away, place.offsite())?;
    assert!(objects(&place.offsite(), "/wal/")?.is_empty());
    place.site.run(&["copy", "latest", "--to", "offsite"])?.ok()?.says(&["offsite got 1 backup"])?;
    assert_eq!(place.listed()?, [names_of(&first), (second.clone(), "local+offsite".to_owned())]);
    the_list_comes_last(&place, &second)?;
    a_list_alone_is_held(&place, &second)?;
    place.site.run(&["copy", "--all"])?.ok()?.says(&["offsite got 1 backup"])?;
    assert_eq!(names(&place.site.repository(), "/clusters/")?, names(&place.offsite(), "/clusters/")?);
    place.site.run(&["copy", "--all"])?.ok()?.says(&["offsite has all that it should"])?;
    assert_eq!(place.restored("target", &["--to", "latest", "--repository", "offsite"])?.1, "1001");

    // A damaged pack is not copied on, and the other backup is.
    let (third, fourth) = (place.backup()?, place.backup()?);
    super::place::damage_all(&objects(&place.site.repository(), &format!("/packs/{third}/"))?)?;
    let copied = place.site.run(&["copy", "--all", "--json"])?.status_is(3)?.json()?;
    let brought = &copied["repositories"][0];
    assert_eq!(brought["backups"], serde_json::json!([fourth]));
    assert_eq!(brought["failed"][0]["what"], format!("backup {third}"));
    assert!(objects(&place.offsite(), &format!("/backups/{third}"))?.is_empty());
    Ok(())
}

/// Expiry gives a backup with its list an hour for its commit marker, so nothing else comes between the two.
fn the_list_comes_last(place: &Place, id: &str) -> Outcome {
    let made = |containing: &str| -> Outcome<Vec<_>> {
        let times = objects(&place.offsite(), containing)?.into_iter().map(|path| fs::metadata(path)?.modified());
        Ok(times.collect::<std::io::Result<_>>()?)
    };
    let list = made(&format!("/objects/{id}"))?.remove(0);
    for kind in ["/packs/", "/manifests/", "/digests/", "/wal/0"] {
        assert!(made(kind)?.into_iter().all(|time| time <= list), "{kind}");
    }
    assert!(made(&format!("/backups/{id}"))?.into_iter().all(|time| list <= time));
    Ok(())
}

/// As a copy leaves it that is killed between the two: expiry would take it for dropped while it is copied once more.
fn a_list_alone_is_held(place: &Place, id: &str) -> Outcome {
    let held = || -> Outcome<usize> {
        let listed = place.site.run(&["list", "--held", "--repository", "offsite", "--json"])?.ok()?.json()?;
        Ok(listed["backups"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(held()?, 0);
    fs::remove_file(objects(&place.offsite(), &format!("/backups/{id}"))?.remove(0))?;
    place.site.run(&["copy", id, "--to", "offsite"])?.ok()?;
    assert_eq!(held()?, 1);
    place.site.run(&["release", id, "--repository", "offsite"])?.ok()?;
    Ok(())
}

/// Only one backup of the month, with the WAL that it needs.
pub fn monthly(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "keep = \"yearly\"\n")?;
    let first = place.backup()?;
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    place.backup()?;
    place.server.archive_all()?;
    let there: Vec<String> =
        place.listed()?.into_iter().filter(|row| row.1.contains("offsite")).map(|row| row.0).collect();
    assert_eq!(there, std::slice::from_ref(&first));
    let (own, copied) = (objects(&place.site.repository(), "/wal/0")?, objects(&place.offsite(), "/wal/0")?);
    assert!(!copied.is_empty() && copied.len() < own.len(), "{copied:?}");
    let words = ["--backup", &first, "--action", "promote", "--repository", "offsite"];
    assert_eq!(place.restored("target", &words)?.1, "1000");
    Ok(())
}

/// Killed at any moment: what is listed there can be restored from there, and the next run completes it.
pub fn killed(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    place.server.archive_all()?;
    let rounds = if full_length() { 40 } else { 8 };
    for round in 0..rounds {
        let mut copy = place.site.command(&["copy", "--all"]).spawn()?;
        std::thread::sleep(std::time::Duration::from_millis(5 * round));
        copy.kill()?;
        copy.wait()?;
        let listed = place.site.run(&["list", "--repository", "offsite", "--json"])?.ok()?.json()?;
        if listed["backups"].as_array().is_some_and(|backups| !backups.is_empty()) {
            let shown = place.site.path("plan").display().to_string();
            let words = ["restore", "--repository", "offsite", "--backup", "latest", "--target-dir", &shown, "--plan"];
            place.site.run_with_identity(&words)?.ok()?;
        }
    }
    place.site.run(&["copy", "--all"])?.ok()?;
    // A run that was killed between list and marker leaves a hold behind.
    let mut copied = names(&place.offsite(), "/clusters/")?;
    copied.retain(|name| !name.contains("/holds/"));
    assert_eq!(copied, names(&place.site.repository(), "/clusters/")?);
    assert_eq!(place.restored("target", &["--to", "latest", "--repository", "offsite"])?.1, "1000");
    Ok(())
}

/// Each by its own rules; what one has dropped is not copied back to it.
pub fn own_retention(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "retention = { recovery_window = \"1s\", minimum = 1 }\n")?;
    let (first, second) = (place.backup()?, place.backup()?);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.site.run(&["expire"])?.ok()?.says(&["nothing expires"])?;
    let expired = place.site.run(&["expire", "--repository", "offsite"])?.ok()?;
    expired.says(&["dropped 1 backup"])?;
    let both = |id: &str| (id.to_owned(), "local+offsite".to_owned());
    let one = (first.clone(), "local".to_owned());
    assert_eq!(place.listed()?, [one.clone(), both(&second)]);
    place.site.run(&["copy", "--all"])?.ok()?.says(&["offsite has all that it should"])?;
    place.site.run(&["copy", &first, "--to", "offsite"])?.status_is(6)?.says(&["undelete", "--repository offsite"])?;
    place.site.run(&["undelete", &first, "--repository", "offsite"])?.ok()?;
    assert_eq!(place.listed()?, [both(&first), both(&second)]);
    place.site.run(&["hold", &second, "--reason", "case 7", "--repository", "offsite"])?.ok()?;
    place.site.run(&["release", &second])?.status_is(5)?;
    place.site.run(&["release", &second, "--repository", "offsite"])?.ok().map(drop)
}

/// What one drops and another has not got is told while it can still be brought there.
pub fn dropped_first(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "required = false\nretention = { recovery_window = \"30d\" }\n")?;
    place.site.configure("[retention]\nrecovery_window = \"1s\"\nminimum = 1\n")?;
    let away = place.site.path("away");
    fs::rename(place.offsite(), &away)?;
    let ids = [place.backup()?, place.backup()?, place.backup()?];
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.site.run(&["expire", "--yes"])?.ok()?.says(&["repository offsite cannot be asked"])?;
    assert_eq!(place.listed()?, [(ids[2].clone(), "local".to_owned())]);

    fs::rename(&away, place.offsite())?;
    let newest = place.backup()?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let told = place.site.run(&["expire"])?.status_is(3)?;
    told.says(&[&format!("backup {} is dropped here, and repository offsite has not got it yet", ids[2])])?;
    place.site.run(&["undelete", &ids[2]])?.ok()?;
    place.site.run(&["copy", &ids[2], "--to", "offsite"])?.ok()?;
    place.site.run(&["release", &ids[2]])?.ok()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    place.site.run(&["expire"])?.ok()?.says(&["dropped 1 backup"])?;
    let row = |id: &str, names: &str| (id.to_owned(), names.to_owned());
    assert_eq!(place.listed()?, [row(&ids[2], "offsite"), row(&newest, "local+offsite")]);

    // What has lost an object keeps the last that can be restored.
    let worthless = place.backup()?;
    fs::remove_file(objects(&place.site.repository(), &format!("/packs/{worthless}/"))?.remove(0))?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let said = place.site.run(&["expire", "--json"])?.status_is(3)?;
    assert_eq!(said.json()?["lacking"], serde_json::json!([worthless]));
    said.says(&[&format!("backup {worthless} lacks objects"), "copy --all"])?;
    assert!(place.listed()?.contains(&row(&newest, "local+offsite")));
    Ok(())
}
