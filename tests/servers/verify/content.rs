//! With a key: everything is opened, and what is in it compared.

use std::fs;

use serde_json::{Value, json};

use super::keyless::{HARMS, own};
use super::{opened, verified};
use crate::several::place::{Place, damage_all, objects};
use crate::support::majors::Installation;
use crate::support::{Outcome, account::account, damage};

pub fn content(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    let (first, second) = (place.backup()?, place.backup()?);
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    let sound = opened(&place, &[], 0)?;
    let proofs: Vec<Value> =
        [&first, &second].map(|id| json!({"backup": id, "proof": "content", "sound": true})).to_vec();
    assert_eq!(sound["backup_proofs"], json!(proofs), "{sound}");
    let keyless = verified(&place, &["--all"], 0)?;
    for field in ["objects", "bytes", "wal_files"] {
        assert_eq!(sound[field], keyless[field], "{field}");
    }
    assert_eq!((&sound["proof"], &keyless["proof"]), (&"content".into(), &"object".into()));
    assert_eq!(opened(&place, &["--keyless"], 0)?["proof"], "object");

    for kind in ["/packs/", "/manifests/", "/digests/", "/objects/"] {
        let object = objects(&place.site.repository(), kind)?.remove(0);
        let content = fs::read(&object)?;
        let is_of_first = object.to_string_lossy().contains(&first);
        let (hurt, other) = if is_of_first { (&first, &second) } else { (&second, &first) };
        // Cut off, and gone; bits are flipped below, and without a key.
        for harm in [HARMS[1], HARMS[3]] {
            harm(&object)?;
            let found = opened(&place, &[], 10)?;
            let damaged = &found["damaged"][0];
            assert!(object.to_string_lossy().ends_with(damaged["object"].as_str().unwrap_or("?")), "{found}");
            assert_eq!(damaged["hurts"], json!([hurt]), "{found}");
            assert_eq!(found["damaged"].as_array().map(Vec::len), Some(1), "{found}");
            assert_eq!(
                found["backup_proofs"].as_array().map(|all| all.iter().filter(|p| p["sound"] == false).count()),
                Some(1)
            );
            remedies(&place, &found, hurt, object.exists())?;
            opened(&place, &[other, "--repository", "local"], 0)?;
            if object.exists() {
                fs::remove_file(&object)?;
            }
            fs::write(&object, &content)?;
            own(&place, &object)?;
        }
    }
    damage_all(&objects(&place.site.repository(), "/packs/")?[..1])?;
    let found = opened(&place, &["--repository", "local"], 10)?;
    assert_eq!(found["damaged"].as_array().map(Vec::len), Some(1), "{found}");
    damage_all(&objects(&place.site.repository(), "/packs/")?[..1])?;
    swapped(&place)?;
    opened(&place, &[], 0)?;
    archive(&place)
}

/// What a person is told to do does help.
fn remedies(place: &Place, found: &Value, hurt: &str, is_there: bool) -> Outcome {
    let remedies: Vec<&str> = found["remedies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [elsewhere, back] = remedies.as_slice() else { return Err(format!("{found}").into()) };
    let restore = format!("restore --repository offsite --backup {hurt} --target-dir DIR");
    assert!(elsewhere.contains("sound in offsite") && elsewhere.contains(&restore), "{elsewhere}");
    assert_eq!(back.contains("mv "), is_there, "{back}");
    let copy = back.rsplit("pgcairn ").next().unwrap_or_default();
    let words: Vec<&str> = copy.split(' ').collect();
    assert!(copy.ends_with("copy --all --to local"), "{copy}");
    let Some(path) = back.split(' ').skip_while(|word| *word != "mv").nth(1) else { return Ok(()) };
    // By hand, and back, for the next kind of damage.
    let aside = place.site.path("aside");
    fs::rename(path, &aside)?;
    let words: Vec<&str> = words.into_iter().skip_while(|word| *word != "copy").collect();
    place.site.run(&words)?.ok()?;
    opened(place, &[], 0).map(drop)
}

/// Two packs, each under the name of the other.
fn swapped(place: &Place) -> Outcome {
    let packs = objects(&place.site.repository(), "/packs/")?;
    let (one, other) = (&packs[0], packs.last().ok_or("no pack")?);
    damage::swap(one, other)?;
    let found = opened(place, &[], 10)?;
    let damaged = found["damaged"].as_array().ok_or("nothing is damaged")?;
    assert_eq!(damaged.len(), 2, "{found}");
    for (damage, path) in damaged.iter().zip([one, other]) {
        assert!(path.to_string_lossy().ends_with(damage["object"].as_str().unwrap_or("?")), "{found}");
        assert!(damage["reason"].as_str().is_some_and(|reason| reason.contains("it holds the object")), "{found}");
    }
    damage::swap(one, other)
}

/// A segment whose envelope is sound and whose content is not, and one whose header does not open.
fn archive(place: &Place) -> Outcome {
    let segment = objects(&place.site.repository(), "/wal/00000001/")?.pop().ok_or("no WAL")?;
    let content = fs::read(&segment)?;
    damage_all(std::slice::from_ref(&segment))?;
    assert_eq!(verified(place, &[], 0)?["damaged"], json!([]));
    let name = segment.file_name().unwrap_or_default().to_string_lossy()[..24].to_owned();
    assert_eq!(opened(place, &[], 10)?["damaged"][0]["object"], name);
    let header = content.windows(9).position(|at| at == b"-> X25519").ok_or("no recipient")?;
    damage::replace(&segment, &content)?;
    // A letter of the recipient's share that stays one.
    damage::edit(&segment, |bytes| bytes[header + 12] = if bytes[header + 12] == b'A' { b'B' } else { b'A' })?;
    assert_eq!(opened(place, &[], 10)?["damaged"][0]["object"], name);
    damage::replace(&segment, &content)?;
    opened(place, &[], 0).map(drop)
}

/// The wrong key is nobody's damage, and damage nobody's wrong key.
pub fn keys(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    place.backup()?;
    let (right, wrong) = (fs::read(place.site.identity())?, place.site.path("wrong"));
    let shown = wrong.display().to_string();
    place.site.run(&["key", "generate", "--output", &shown])?.ok()?;
    let run = place.site.run(&["verify", "--identity", &shown])?.status_is(9)?;
    run.says(&["is not encrypted to the given identity", "--identity FILE"])?;
    let run = place.site.run(&["verify", "--identity", &shown, "--keyless"])?.status_is(2)?;
    run.says(&["cannot be used with"])?;
    place.site.run(&["verify", "--identity", &place.site.identity().display().to_string()])?.ok()?;
    let manifest = objects(&place.site.repository(), "/manifests/")?.remove(0);
    let content = fs::read(&manifest)?;
    let header = content.windows(9).position(|at| at == b"-> X25519").ok_or("no recipient")?;
    damage::edit(&manifest, |bytes| bytes[header + 12] = if bytes[header + 12] == b'A' { b'B' } else { b'A' })?;
    let found = opened(&place, &[], 10)?;
    assert!(found["damaged"][0]["reason"].as_str().is_some_and(|reason| reason.contains("SHA-256")), "{found}");
    account().write(&place.site.identity(), right, 0o600)?;
    Ok(())
}
