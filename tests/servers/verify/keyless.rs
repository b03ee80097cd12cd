//! Without a key.

use std::fs;

use serde_json::Value;

use super::verified;
use crate::several::place::{Place, damage_all, objects};
use crate::support::majors::Installation;
use crate::support::{Outcome, damage};

pub fn keyless(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    assert_eq!(verified(&place, &[], 0)?["backups"], 0);
    let (first, second) = (place.backup()?, place.backup()?);
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    let sound = verified(&place, &[], 0)?;
    assert_eq!((&sound["backups"], &sound["unreferenced_objects"]), (&2.into(), &0.into()));
    recorded(&place, &first)?;
    let kinds = ["/packs/", "/manifests/", "/digests/", "/objects/"];
    let stored = |kind: &str| objects(&place.site.repository(), kind);
    let all: usize = kinds.iter().map(|kind| Ok(stored(kind)?.len())).sum::<Outcome<usize>>()?;
    assert_eq!(sound["objects"], all);

    for kind in kinds {
        let object = stored(kind)?.remove(0);
        let content = fs::read(&object)?;
        let hurt = if object.to_string_lossy().contains(&first) { &first } else { &second };
        for harm in HARMS {
            harm(&object)?;
            let found = verified(&place, &[], 10)?;
            let damaged = &found["damaged"][0];
            assert!(object.to_string_lossy().ends_with(damaged["object"].as_str().unwrap_or("?")), "{found}");
            assert_eq!(damaged["hurts"], serde_json::json!([hurt]), "{found}");
            assert_eq!(found["damaged"].as_array().map(Vec::len), Some(1), "{found}");
            // Another backup, and another repository, are as they were.
            let other = if hurt == &first { &second } else { &first };
            verified(&place, &[other], 0)?;
            verified(&place, &["--repository", "offsite"], 0)?;
            if object.exists() {
                fs::remove_file(&object)?;
            }
            fs::write(&object, &content)?;
            own(&place, &object)?;
        }
    }
    verified(&place, &[], 0)?;
    documented(&place)?;
    markers(&place, &first)?;
    archive(&place)
}

/// What stays of a run in the repository.
fn recorded(place: &Place, first: &str) -> Outcome {
    let newest = || -> Outcome<Value> {
        let mut records = objects(&place.site.repository(), "/verifications/")?;
        records.sort_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
        Ok(serde_json::from_slice(&fs::read(records.pop().ok_or("no record")?)?)?)
    };
    let all = newest()?;
    assert_eq!((&all["passed"], &all["proof"], &all["backup"]), (&true.into(), &"object".into(), &Value::Null));
    assert!(all["read_bytes"].as_u64() > Some(0) && all["covered"] == 1.0, "{all}");
    verified(place, &[first], 0)?;
    assert_eq!(newest()?["backup"], first);
    let marker = objects(&place.site.repository(), &format!("/backups/{first}"))?.remove(0);
    let text = fs::read(&marker)?;
    damage::replace(&marker, b"{}")?;
    verified(place, &[], 10)?;
    let bad = newest()?;
    assert_eq!((&bad["passed"], &bad["damaged"]), (&false.into(), &1.into()), "{bad}");
    damage::replace(&marker, &text)
}

/// The commands of docs/verify.md.
fn documented(place: &Place) -> Outcome {
    let document = include_str!("../../../docs/verify.md");
    let block = document.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    assert_eq!(block.lines().count(), 4);
    for command in block.lines() {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        place.site.run(&words)?.ok()?;
    }
    Ok(())
}

pub type Harm = fn(&std::path::Path) -> Outcome;

pub const HARMS: [Harm; 4] = [
    |object| damage_all(&[object.to_owned()]),
    |object| damage::truncate(object, fs::metadata(object)?.len() as usize - 1),
    |object| {
        Ok(fs::OpenOptions::new()
            .append(true)
            .open(object)
            .and_then(|mut f| std::io::Write::write_all(&mut f, b"x"))?)
    },
    |object| Ok(fs::remove_file(object)?),
];

pub fn own(place: &Place, object: &std::path::Path) -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(place.site.repository().join("pgcairn.json"))?;
    Ok(std::os::unix::fs::chown(object, Some(owner.uid()), Some(owner.gid()))?)
}

/// One that cannot be read, one whose signature is not the host's, and one that is gone.
fn markers(place: &Place, first: &str) -> Outcome {
    let marker = objects(&place.site.repository(), &format!("/backups/{first}"))?.remove(0);
    let text = fs::read_to_string(&marker)?;
    damage::replace(&marker, b"{}")?;
    let found = verified(place, &[], 10)?;
    assert_eq!(found["damaged"][0]["hurts"], serde_json::json!([first]), "{found}");
    let (summary, seal) = text.split_once('\n').ok_or("a marker has two lines")?;
    let mut seal: Value = serde_json::from_str(seal)?;
    seal["signature"] = Value::Null;
    damage::replace(&marker, format!("{summary}\n{seal}\n").as_bytes())?;
    let found = verified(place, &[], 3)?;
    assert_eq!(found["unvouched"][0]["backup"], first, "{found}");
    fs::rename(&marker, place.site.path("marker"))?;
    let found = verified(place, &[], 0)?;
    assert_eq!(found["backups"], 1);
    assert!(found["unreferenced_objects"].as_u64() > Some(3), "{found}");
    fs::rename(place.site.path("marker"), &marker)?;
    damage::replace(&marker, text.as_bytes())
}

fn archive(place: &Place) -> Outcome {
    let later = {
        place.server.sql("insert into t values (1002)")?;
        let lost = place.server.archive_all()?;
        place.server.sql("insert into t values (1003)")?;
        place.server.archive_all()?;
        lost
    };
    let segment = objects(&place.site.repository(), &later)?.remove(0);
    let content = fs::read(&segment)?;
    damage::truncate(&segment, content.len() - 1)?;
    let found = verified(place, &[], 10)?;
    assert_eq!(
        (&found["damaged"][0]["object"], &found["damaged"][0]["hurts"]),
        (&later.clone().into(), &serde_json::json!([]))
    );
    fs::remove_file(&segment)?;
    let found = verified(place, &[], 12)?;
    assert_eq!(found["wal_gaps"][0]["segments"], 1, "{found}");
    // What a backup needs itself.
    let own = objects(&place.site.repository(), ".backup.")?.remove(0);
    let own = own.file_name().unwrap_or_default().to_string_lossy()[..24].to_owned();
    fs::remove_file(objects(&place.site.repository(), &format!("/{own}.zst"))?.remove(0))?;
    let found = verified(place, &[], 10)?;
    assert_eq!(found["damaged"][0]["hurts"].as_array().map(Vec::len), Some(1), "{found}");
    let said = place.site.run(&["verify"])?.status_is(10)?;
    said.says(&["DAMAGED", "it hurts", "GAP: ", "offsite: 2 backups; sound, as stored, are"]).map(drop)
}
