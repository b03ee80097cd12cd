//! One object that somebody has put into a repository does not keep anybody from what else is there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use pgcairn::codec::{Envelope, Sealer, parse_recipient};
use pgcairn::model::envelope::WalFacts;
use pgcairn::model::key::{Key, Kind};
use pgcairn::model::sha256::Sha256Sum;
use serde_json::Value;

use super::place::{Place, objects};
use crate::refusals::Document;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::Run;
use crate::support::{Outcome, damage};

fn plan(place: &Place, words: &[&str]) -> Outcome<Run> {
    let target = place.site.path("planned").display().to_string();
    let words = [&["restore", "--target-dir", &target, "--to", "latest", "--plan", "--json"], words].concat();
    place.site.run_with_identity(&words)
}

/// An envelope that tells another segment size gives no other number to any segment.
pub fn segment(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    place.server.archive_all()?;
    let root = place.site.repository();
    let marker = objects(&root, "/backups/")?.remove(0);
    let cluster = marker.parent().and_then(|p| p.parent()).ok_or("no cluster")?.to_owned();
    let identifier: u64 = cluster.file_name().unwrap_or_default().to_string_lossy().parse()?;
    let path = cluster.join("wal/00000001/00000000/000000010000000000000000.zst.age");
    let key = Key::new(path.strip_prefix(&root)?.to_string_lossy())?;
    let facts = WalFacts {
        sha256: Sha256Sum::of(b""),
        length: 1 << 30,
        compressed: 1,
        system_identifier: identifier,
        first_commit: None,
        last_commit: None,
        invalid_from: None,
    };
    let listed = place.site.run(&["wal", "list", "--json"])?.ok()?.json()?;
    let recipient = parse_recipient(place.site.recipient.as_deref().unwrap_or_default())?;
    let mut sealed = Sealer::new(vec![recipient])?.seal(&Envelope::wal(key, Kind::Wal, facts), Vec::new())?;
    sealed.write_all(b"x")?;
    account().write(&path, sealed.finish()?, 0o640)?;
    plan(&place, &["--timeline", "1"])?.ok()?;
    let last =
        |listed: &Value| listed["timelines"][0]["ranges"].as_array().and_then(|r| r.last()).map(|r| r["last"].clone());
    // What lies far before the others leaves a gap, and that is all.
    let planted = place.site.run(&["wal", "list", "--json"])?.status_is(12)?.json()?;
    assert_eq!(last(&planted), last(&listed));
    Ok(())
}

/// A backup that nobody has signed, newer than all, does not hide the one before it.
pub fn backup(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    let (first, second) = (place.backup()?, place.backup()?);
    place.server.archive_all()?;
    let marker = objects(&place.site.repository(), &format!("/backups/{second}"))?.remove(0);
    let text = fs::read_to_string(&marker)?;
    let (summary, seal) = text.split_once('\n').ok_or("a marker has two lines")?;
    let mut seal: Value = serde_json::from_str(seal)?;
    seal["signature"] = Value::Null;
    damage::replace(&marker, format!("{summary}\n{seal}\n").as_bytes())?;
    let planned = plan(&place, &[])?.ok()?;
    assert_eq!(planned.result()?["plan"]["backup"], first, "{}", planned.report());
    let mut document = Document::new();
    document.warned("a backup that nobody has signed is passed over", &place.site, &planned, "passed over")?;
    document.end()
}

/// What is no `timeline.json` is told and keeps nobody from anything, but for expiry; it is not copied on, and where
/// another repository has it sound, that one is read.
pub fn timeline(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    place.server.archive_all()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    let (local, offsite) = (descent(&place.site.repository())?, descent(&place.offsite())?);
    account().write(&local, "garbage\n", 0o640)?;
    let damaged = "000000FF.timeline.json is damaged: not a timeline.json";
    plan(&place, &[])?.ok()?.says(&[damaged])?;
    place.site.run(&["wal", "list"])?.ok()?.says(&[damaged])?;
    place.site.run(&["list"])?.ok()?;
    let told = place.site.run(&["status", "--wait", "20s"])?.status_is(3)?;
    told.says(&["the descent of 1 timeline is missing or damaged"])?;
    let found = place.site.run(&["verify", "--json"])?.status_is(10)?.json()?;
    let object = found["repositories"][0]["damaged"][0]["object"].as_str().unwrap_or_default();
    assert!(local.to_string_lossy().ends_with(object) && !object.is_empty(), "{found}");
    assert_eq!(found["repositories"][1]["damaged"], Value::Array(Vec::new()), "{found}");
    place.site.run(&["expire", "--dry-run"])?.status_is(10)?.says(&[damaged])?;
    place.site.run(&["expire", "--dry-run", "--repository", "offsite"])?.ok()?;
    let copied = place.site.run(&["copy", "--all"])?.status_is(3)?.says(&["NOT COPIED", damaged])?;
    assert_eq!(copied.stdout.matches("NOT COPIED").count(), 1, "{}", copied.report());
    assert!(!offsite.exists());

    let ancestor = r#"{"timeline":1,"switch_lsn":"0/3000148"}"#;
    let sound = r#"{"timeline":255,"parent":1,"switch_lsn":"0/3000148","ancestors":["#.to_owned() + ancestor + "]}\n";
    account().write(&offsite, sound, 0o640)?;
    for run in [plan(&place, &[])?, place.site.run(&["wal", "list"])?, place.site.run(&["copy", "--all"])?] {
        run.ok()?.says(&["000000FF.timeline.json is damaged or unreadable in", "was read from another repository"])?;
    }
    place.site.run(&["copy", "--all", "--to", "local"])?.status_is(3)?.says(&["in local clusters/", damaged])?;
    assert_eq!(fs::read_to_string(&local)?, "garbage\n");
    Ok(())
}

/// Where a repository has the descent of timeline 255.
fn descent(root: &Path) -> Outcome<PathBuf> {
    let marker = objects(root, "/backups/")?.remove(0);
    let cluster = marker.parent().and_then(Path::parent).ok_or("no cluster")?;
    Ok(cluster.join("wal/000000FF.timeline.json"))
}

/// A marker of another kind: the hint says how to ask the sound one.
pub fn kind(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    place.backup()?;
    place.server.archive_all()?;
    let marker = place.site.repository().join("pgcairn.json");
    damage::replace(&marker, fs::read_to_string(&marker)?.replace("\"age\"", "\"none\"").as_bytes())?;
    plan(&place, &[])?.status_is(2)?.says(&["--repository local or --repository offsite"])?;
    plan(&place, &["--repository", "offsite"])?.ok().map(drop)
}
