//! What is not read again, and that in the end everything is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::keyless::own;
use super::{opened, verified};
use crate::several::place::{Place, damage_all, objects};
use crate::support::majors::Installation;
use crate::support::server::run;
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage, process};

pub const LOCAL: [&str; 2] = ["--repository", "local"];

/// Where things are remembered, with a backup and some WAL behind it.
pub fn place(install: &'static Installation) -> Outcome<Place> {
    let place = Place::new(install, "")?;
    place.backup()?;
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    Ok(place)
}

pub fn number(found: &Value, field: &str) -> u64 {
    found[field].as_u64().unwrap_or(u64::MAX)
}

/// All that is stored of backups.
pub fn stored(place: &Place) -> Outcome<u64> {
    let kinds = ["/packs/", "/manifests/", "/digests/", "/objects/"];
    kinds.iter().map(|kind| Ok(objects(&place.site.repository(), kind)?.len() as u64)).sum()
}

/// A bit of it has turned on the disk: nobody has written it anew.
pub fn rot(place: &Place, object: &Path) -> Outcome {
    let modified = fs::metadata(object)?.modified()?;
    damage_all(&[object.to_owned()])?;
    fs::File::options().append(true).open(object)?.set_modified(modified)?;
    own(place, object)
}

/// Only what is new is read, and what has changed; all of it where that is asked for.
pub fn again(install: &'static Installation) -> Outcome {
    let place = place(install)?;
    let local = |more: &[&str], status| opened(&place, &[&LOCAL, more].concat(), status);
    // Not as closely: that does not count for more.
    let keyless = verified(&place, &LOCAL, 0)?;
    let first = local(&[], 0)?;
    let all = stored(&place)?;
    for found in [&keyless, &first] {
        assert_eq!((number(found, "objects"), number(found, "remembered_objects")), (all, 0), "{found}");
        assert_eq!(found["covered"], 1.0, "{found}");
    }
    for found in [local(&[], 0)?, verified(&place, &LOCAL, 0)?] {
        // The list of objects itself is read each time.
        assert_eq!((number(&found, "objects"), number(&found, "remembered_objects")), (1, all - 1), "{found}");
        assert_eq!((number(&found, "wal_files"), found["covered"].as_f64()), (0, Some(1.0)), "{found}");
        assert_eq!(number(&found, "remembered_wal_files"), number(&first, "wal_files"), "{found}");
    }
    place.backup()?;
    let found = local(&[], 0)?;
    assert_eq!(number(&found, "remembered_objects"), all - 1, "{found}");
    assert_eq!(number(&found, "objects"), stored(&place)? - (all - 1), "{found}");
    assert_eq!(number(&found, "remembered_wal_files"), number(&first, "wal_files"), "{found}");
    for words in [&["--all"][..], &["latest"]] {
        let found = local(words, 0)?;
        assert_eq!((number(&found, "remembered_objects"), number(&found, "remembered_wal_files")), (0, 0), "{found}");
    }
    let said = place.site.run_with_identity(&["verify", "--repository", "local"])?.ok()?;
    said.says(&["were read on 2", "and not again"])?;

    let pack = objects(&place.site.repository(), "/packs/")?.remove(0);
    let content = fs::read(&pack)?;
    rot(&place, &pack)?;
    local(&[], 0)?;
    local(&["--all"], 10)?;
    // Until it is sound again it is read each time.
    local(&[], 10)?;
    damage::replace(&pack, &content)?;
    local(&[], 0)?;
    damage_all(std::slice::from_ref(&pack))?;
    local(&[], 10)?;
    damage::replace(&pack, &content)?;
    local(&[], 0)?;

    // Whatever is wrong with what is remembered, nothing is.
    let file = remembered(&place)?.ok_or("nothing is remembered")?;
    let bytes = fs::read(&file)?;
    assert!(!String::from_utf8_lossy(&bytes).contains("packs"), "names are remembered");
    damage::replace(&file, &bytes[..bytes.len() - 1])?;
    let found = local(&[], 0)?;
    assert_eq!(number(&found, "remembered_objects") + number(&found, "remembered_wal_files"), 0, "{found}");
    nothing_kept(&place)
}

/// Of the first repository; the other has one too.
fn remembered(place: &Place) -> Outcome<Option<PathBuf>> {
    let marker: Value = serde_json::from_slice(&fs::read(place.site.repository().join("pgcairn.json"))?)?;
    let id = marker["repository_id"].as_str().unwrap_or_default();
    let path = place.site.path("state").join(format!("main.verified-{id}"));
    Ok(path.exists().then_some(path))
}

fn nothing_kept(place: &Place) -> Outcome {
    fs::remove_dir_all(place.site.path("state"))?;
    fs::write(place.site.path("state"), "")?;
    let run = place.site.run(&["verify", "--repository", "local"])?.ok()?;
    run.says(&["what was read is not remembered in "])?;
    place.site.run(&["verify", "--sample", "5%"])?.status_is(1)?.says(&["no sample is taken"]).map(drop)
}

/// Five times a fifth is all of it, and what has turned bad since is found within another five.
pub fn sample(install: &'static Installation) -> Outcome {
    let place = place(install)?;
    place.backup()?;
    for key in [false, true] {
        let words = [&LOCAL[..], &["--sample", "20%", "--json"]].concat();
        let run = || {
            if key {
                place.site.run_with_identity(&[&["verify"], &words[..]].concat())
            } else {
                place.site.run(&[&["verify"], &words[..]].concat())
            }
        };
        let mut covered = vec![0.0];
        for _ in 0..5 {
            let found = run()?.ok()?.json()?["repositories"][0].clone();
            let share = found["covered"].as_f64().unwrap_or_default();
            let before = *covered.last().unwrap_or(&0.0);
            assert!(before == 1.0 || share > before, "{covered:?}: {found}");
            covered.push(share);
        }
        assert!(covered[1] < 1.0 && covered[5] == 1.0, "{covered:?}");
        let pack = objects(&place.site.repository(), "/packs/")?.remove(0);
        let content = fs::read(&pack)?;
        rot(&place, &pack)?;
        let mut ended = Vec::new();
        for _ in 0..5 {
            ended.push(run()?.status);
        }
        assert!(ended.contains(&10), "{ended:?}");
        damage::replace(&pack, &content)?;
        own(&place, &pack)?;
    }
    Ok(())
}

/// One that is killed goes on where it was.
pub fn resumed(install: &'static Installation) -> Outcome {
    let mut place = place(install)?;
    place.site.configure("[backup]\njobs = 2\n")?;
    place.backup()?;
    // One worker waits for ever for what comes out of here.
    let pack = objects(&place.site.repository(), "/packs/")?.pop().ok_or("no pack")?;
    let content = fs::read(&pack)?;
    fs::remove_file(&pack)?;
    run(Command::new("mkfifo").arg(&pack))?;
    own(&place, &pack)?;
    let words = [&["verify"], &LOCAL[..]].concat();
    let mut command = place.site.command(&words);
    command.env("PGCAIRN_IDENTITY", place.site.identity()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = command.spawn()?;
    let kept = wait_for("what was read so far", || remembered(&place));
    process::signal(i32::try_from(killed.id())?, Signal::KILL);
    killed.wait()?;
    kept?;
    fs::remove_file(&pack)?;
    fs::write(&pack, content)?;
    own(&place, &pack)?;
    let found = opened(&place, &LOCAL, 0)?;
    let (read, remembered) = (number(&found, "objects"), number(&found, "remembered_objects"));
    assert!(remembered > 0 && read + remembered == stored(&place)?, "{found}");
    assert_eq!(found["covered"], 1.0, "{found}");
    Ok(())
}
