//! What must not be called sound: by who looked less closely, by another host, or by one that remembers too much.

use std::fs;

use serde_json::Value;

use super::keyless::own;
use super::rotation::{LOCAL, number, place, rot, stored};
use super::{opened, verified};
use crate::several::place::{Place, damage_all, objects};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};
use crate::support::{Outcome, damage};

/// Objects of which only the outside was looked at, because their list was damaged, have not been opened.
pub fn unopened(install: &'static Installation) -> Outcome {
    let place = place(install)?;
    let list = objects(&place.site.repository(), "/objects/")?.remove(0);
    let content = fs::read(&list)?;
    // A frame that is to be skipped: it can be read, and is not what the commit marker says.
    let longer = [&content[..], &[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]].concat();
    damage_all(std::slice::from_ref(&list))?;
    let cut = fs::read(&list)?;
    for harmed in [&longer, &cut] {
        damage::replace(&list, harmed)?;
        own(&place, &list)?;
        let found = opened(&place, &LOCAL, 10)?;
        assert!(found["covered"].as_f64() < Some(1.0), "{found}");
    }
    damage::replace(&list, &longer)?;
    own(&place, &list)?;
    opened(&place, &LOCAL, 10)?;
    damage::replace(&list, &content)?;
    own(&place, &list)?;
    let found = opened(&place, &LOCAL, 0)?;
    assert_eq!((number(&found, "objects"), number(&found, "remembered_objects")), (stored(&place)?, 0), "{found}");

    // What an archive has besides segments is read as well.
    let history = objects(&place.site.repository(), ".backup.")?.remove(0);
    let content = fs::read(&history)?;
    damage::truncate(&history, content.len() / 2)?;
    let found = verified(&place, &LOCAL, 10)?;
    assert_eq!(found["damaged"].as_array().map(Vec::len), Some(1), "{found}");
    damage::replace(&history, &content)?;
    own(&place, &history)?;
    verified(&place, &LOCAL, 0).map(drop)
}

/// The verdict of the first repository's verifications.
fn alarm(place: &Place) -> Outcome<bool> {
    let told = place.site.run(&["status", "--json", "--wait", "20s"])?.status_in(0..=3)?.json()?;
    let reasons = told["verdict"]["reasons"].as_array().into_iter().flatten();
    Ok(reasons.filter(|it| it["reason"] == "verify-failed").any(|it| it["repository"] == "local"))
}

/// The same verification by another host, which remembers other things.
fn elsewhere(place: &Place, words: &[&str], status: i32) -> Outcome<Value> {
    let (config, own) = (place.site.path("elsewhere.toml"), place.site.path("state").display().to_string());
    let text = fs::read_to_string(place.site.config())?.replace(&own, &format!("{own}-elsewhere"));
    account().write(&config, text, 0o644)?;
    let mut command = account().command(binary());
    command.arg("--config").arg(&config).args(["verify", "--json"]).args(words);
    Ok(Run::of(&mut command)?.status_is(status)?.json()?["repositories"][0].clone())
}

/// Damage is over when somebody has looked at all of it as closely as whoever found it, and not before.
pub fn alarms(install: &'static Installation) -> Outcome {
    let place = place(install)?;
    // With the key alone it is seen.
    let segment = objects(&place.site.repository(), "/wal/00000001/")?.pop().ok_or("no WAL")?;
    let content = fs::read(&segment)?;
    verified(&place, &LOCAL, 0)?;
    damage_all(std::slice::from_ref(&segment))?;
    opened(&place, &LOCAL, 10)?;
    assert!(alarm(&place)?);
    verified(&place, &LOCAL, 0)?;
    assert!(alarm(&place)?, "who has no key does not see it");
    verified(&place, &[&LOCAL[..], &["--all"]].concat(), 0)?;
    assert!(alarm(&place)?, "who has no key does not see it");
    let latest = [&LOCAL[..], &["latest"]].concat();
    damage::replace(&segment, &content)?;
    own(&place, &segment)?;
    opened(&place, &latest, 0)?;
    assert!(alarm(&place)?, "one backup is not all of them");
    opened(&place, &LOCAL, 0)?;
    assert!(!alarm(&place)?);

    // Of one backup.
    let pack = objects(&place.site.repository(), "/packs/")?.remove(0);
    let content = fs::read(&pack)?;
    damage_all(std::slice::from_ref(&pack))?;
    verified(&place, &latest, 10)?;
    assert!(alarm(&place)?);
    damage::replace(&pack, &content)?;
    own(&place, &pack)?;
    verified(&place, &latest, 0)?;
    assert!(!alarm(&place)?);

    // By another host, of what this one has read not long ago.
    let pack = objects(&place.site.repository(), "/digests/")?.pop().ok_or("no digests")?;
    let content = fs::read(&pack)?;
    verified(&place, &LOCAL, 0)?;
    rot(&place, &pack)?;
    elsewhere(&place, &LOCAL, 10)?;
    assert!(alarm(&place)?);
    let sample = [&LOCAL[..], &["--sample", "0.0001%"]].concat();
    verified(&place, &sample, 0)?;
    assert!(alarm(&place)?, "a little of it says nothing of the rest");
    verified(&place, &LOCAL, 10)?;
    damage::replace(&pack, &content)?;
    own(&place, &pack)?;
    verified(&place, &LOCAL, 0)?;
    assert!(!alarm(&place)?);
    Ok(())
}
