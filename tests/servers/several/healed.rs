//! What one repository has lost or damaged another one gives.

use std::fs;
use std::path::PathBuf;

use super::place::{Place, damage_all, names, objects};
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::{Outcome, damage, full_length};

pub fn healed(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    place.backup()?;
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    let local = place.site.repository();
    let pristine = place.site.path("pristine");
    copy_tree(&local, &pristine)?;
    let kinds = ["/packs/", "/manifests/", "/digests/", "/objects/", "/backups/", "/wal/0"];
    let each: Vec<&[&str]> = if full_length() { kinds.chunks(1).collect() } else { vec![&kinds] };
    for kind in each {
        for (how, harm) in HARMS {
            kind.iter().try_for_each(|kind| harm(&objects(&local, kind)?))?;
            let (said, rows) = place.restored("target", &["--to", "latest"])?;
            assert_eq!(rows, "1001", "{kind:?} {how}");
            assert_eq!(said.contains("was read from another repository"), *how != "lost", "{kind:?} {how}: {said}");
            fs::remove_dir_all(&local)?;
            copy_tree(&pristine, &local)?;
        }
    }
    forged(&place)?;
    lost_objects_come_back(&place)?;
    neither_has_it(&place)
}

type Harm = fn(&[PathBuf]) -> Outcome;

const HARMS: &[(&str, Harm)] = &[("damaged", damage_all), ("cut", cut_all), ("lost", lose_all)];

fn cut_all(objects: &[PathBuf]) -> Outcome {
    objects.iter().try_for_each(|object| damage::truncate(object, fs::metadata(object)?.len() as usize / 2))
}

fn lose_all(objects: &[PathBuf]) -> Outcome {
    Ok(objects.iter().try_for_each(fs::remove_file)?)
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) -> Outcome {
    let mut copy = crate::support::account::account().command("/bin/cp");
    crate::support::server::run(copy.arg("-al").arg(from).arg(to)).map(drop)
}

/// A commit marker whose signature somebody took off in the one repository is taken from the other.
fn forged(place: &Place) -> Outcome {
    let marker = objects(&place.site.repository(), "/backups/")?.remove(0);
    let text = fs::read_to_string(&marker)?;
    let (summary, seal) = text.split_once('\n').ok_or("a marker has two lines")?;
    let mut seal: serde_json::Value = serde_json::from_str(seal)?;
    assert!(!seal["signature"].is_null(), "it was signed");
    seal["signature"] = serde_json::Value::Null;
    damage::replace(&marker, format!("{summary}\n{seal}\n").as_bytes())?;
    let target = place.site.path("target").display().to_string();
    let alone = ["restore", "--target-dir", &target, "--to", "latest", "--plan", "--repository", "local"];
    place.site.run_with_identity(&alone)?.status_in(1..=12)?.says(&["is not signed"])?;
    let (said, rows) = place.restored("target", &["--to", "latest"])?;
    assert!(said.contains("was read from another repository"), "{said}");
    assert_eq!(rows, "1001");
    damage::replace(&marker, text.as_bytes())
}

/// `copy` brings back to the first what it has lost, the commit marker last.
fn lost_objects_come_back(place: &Place) -> Outcome {
    let local = place.site.repository();
    let before = names(&local, "/clusters/")?;
    lose_all(&objects(&local, "/packs/")?)?;
    lose_all(&objects(&local, "/backups/")?)?;
    let segments = objects(&local, "/wal/0")?;
    lose_all(&segments[..1])?;
    place.site.run(&["copy", "--all", "--to", "local"])?.ok()?.says(&["local got 1 backup"])?;
    // The list was left without its marker, so a hold keeps expiry off.
    let hold = |name: &String| name.contains("/backups/").then(|| name.replace("/backups/", "/holds/"));
    let mut expected: Vec<String> = before.iter().filter_map(hold).chain(before.clone()).collect();
    expected.sort();
    assert_eq!(names(&local, "/clusters/")?, expected);
    let (said, rows) = place.restored("target", &["--to", "latest", "--repository", "local"])?;
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(rows, "1001");
    Ok(())
}

fn neither_has_it(place: &Place) -> Outcome {
    damage_all(&objects(&place.site.repository(), "/manifests/")?)?;
    damage_all(&objects(&place.offsite(), "/manifests/")?)?;
    let target = place.site.path("target").display().to_string();
    let run = place.site.run_with_identity(&["restore", "--target-dir", &target, "--to", "latest"])?;
    run.status_is(10)?.says(&["/manifests/"])?;
    Ok(())
}

/// `wal fetch` asks one after the other; absent is what is absent everywhere, and unreachable is not absent.
pub fn fetched_from_any(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "")?;
    let segment = place.server.archive_all()?;
    place.server.sql("insert into t values (1001)")?;
    let later = place.server.archive_all()?;
    place.server.stop(Shutdown::Fast)?;
    let (local, offsite) = (place.site.repository(), place.offsite());
    let own = objects(&local, &segment)?.remove(0);
    fetch(&place, &segment)?.ok()?;
    damage::flip_bit(&own, 2000)?;
    fetch(&place, &segment)?.ok()?;
    fs::remove_file(&own)?;
    fetch(&place, &segment)?.ok()?;
    fs::rename(&local, place.site.path("away"))?;
    fetch(&place, &segment)?.ok()?;
    fetch(&place, "0000000100000000000000F0")?.status_is(126)?;
    fs::rename(place.site.path("away"), &local)?;
    fetch(&place, "0000000100000000000000F0")?.status_is(1)?;
    // A hole that both have, and then a required one that has lost all.
    fs::remove_file(objects(&offsite, &segment)?.remove(0))?;
    fetch(&place, &segment)?.status_is(126)?.says(&["is missing, and the archive goes on at"])?;
    fetch(&place, &later)?.ok()?;
    objects(&offsite, "/wal/")?.iter().try_for_each(fs::remove_file)?;
    fetch(&place, "0000000100000000000000F0")?.status_is(126)?.says(&["holds no WAL of cluster main"])?;
    place.site.configure("required = false\n")?;
    fetch(&place, "0000000100000000000000F0")?.status_is(1).map(drop)
}

fn fetch(place: &Place, name: &str) -> Outcome<crate::support::site::Run> {
    let mut command = place.site.command(&["wal", "fetch", name, "pg_wal/RECOVERYXLOG"]);
    command.env("PGCAIRN_IDENTITY", place.site.identity()).current_dir(Server::data(&place.server));
    crate::support::site::Run::of(&mut command)
}
