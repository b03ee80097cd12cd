//! What `verify` finds of dumps, with a key and without.

use std::fs;

use serde_json::Value;

use super::{LARGE, Place, script};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::{Outcome, damage};

pub fn verified(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    place.dump(&[], 0)?;
    let id = place.dumps()?[0]["id"].as_str().unwrap_or_default().to_owned();
    for keyless in [true, false] {
        let sound = verify(&place, keyless, &[], 0)?;
        assert_eq!((&sound["dumps"], &sound["covered"]), (&1.into(), &1.0.into()), "{sound}");
        assert_eq!(sound["damaged"], Value::Array(Vec::new()), "{sound}");
        // Nothing is read again so soon.
        let again = verify(&place, keyless, &[], 0)?;
        assert!(again["remembered_objects"].as_u64() > Some(0), "{again}");
        assert_eq!(again["covered"], 1.0, "{again}");
        for object in place.site.objects("/dumps/")? {
            let name = object.strip_prefix(place.site.repository())?.display().to_string();
            let stored = fs::read(&object)?;
            for harm in ["flipped", "cut", "gone"] {
                let is_marker = name.ends_with(".json");
                match harm {
                    // In the summary: what vouches for it is wrong then.
                    "flipped" => damage::flip_bit(&object, stored.len() / 3)?,
                    "cut" => damage::truncate(&object, stored.len() - 1)?,
                    // Without its marker there is no dump.
                    _ if is_marker => continue,
                    _ => fs::remove_file(&object)?,
                }
                let found = verify(&place, keyless, &["--all"], 10)?;
                let damaged = found["damaged"].as_array().cloned().unwrap_or_default();
                assert!(
                    damaged.iter().any(|d| d["object"] == name.as_str() && d["hurts"] == Value::from(vec![id.clone()])),
                    "{harm} {name}, keyless {keyless}: {damaged:?}"
                );
                if object.exists() {
                    fs::remove_file(&object)?;
                }
                account().write(&object, &stored, 0o640)?;
            }
        }
        verify(&place, keyless, &["--all"], 0)?;
    }
    let one = place.site.run_with_identity(&["verify", &id, "--json"])?.ok()?.result()?;
    assert_eq!(one["repositories"][0]["dumps"], 1, "{one}");

    // What is nobody's is counted.
    let marker = place.site.object(&format!("/dumps/{id}.json"))?;
    fs::remove_file(marker)?;
    let left = verify(&place, true, &[], 0)?;
    assert!(left["unreferenced_objects"].as_u64() > Some(2), "{left}");
    Ok(())
}

/// Of the first repository.
fn verify(place: &Place, keyless: bool, words: &[&str], status: i32) -> Outcome<Value> {
    let words = [&["verify", "--json"], words].concat();
    let run = match keyless {
        true => place.site.run(&[&words[..], &["--keyless"]].concat())?,
        false => place.site.run_with_identity(&words)?,
    };
    Ok(run.status_is(status)?.result()?["repositories"][0].clone())
}
