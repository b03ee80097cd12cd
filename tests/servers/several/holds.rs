//! A hold belongs to one repository, and a name that fits several backups is not taken for one that fits none.

use serde_json::{Value, json};

use super::place::Place;
use crate::support::Outcome;
use crate::support::majors::Installation;

pub fn holds(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    let made = place.backup()?;
    let id = made.as_str();
    let held = place.site.run(&["hold", id, "--reason", "case 7", "--until", "30d"])?.ok()?;
    let there = format!("hold {id} --repository offsite --reason 'case 7' --until 2");
    held.says(&["is held in local until", "offsite does not hold it", &there])?;
    let row = row(&place, id)?;
    assert_eq!(row["repositories"], json!(["local", "offsite"]));
    assert_eq!((&row["hold"]["reason"], &row["hold"]["repositories"]), (&json!("case 7"), &json!(["local"])));
    for list in [&["list"][..], &["list", "--held"]] {
        place.site.run(list)?.ok()?.says(&["in local and offsite, held in local until "])?;
    }

    // For another reason elsewhere, and then everywhere alike.
    let elsewhere = ["hold", id, "--reason", "case 8", "--repository", "offsite"];
    place.site.run(&elsewhere)?.ok()?;
    place.site.run(&["list"])?.ok()?.says(&["held in local until ", ": case 7, held in offsite: case 8"])?;
    place.site.run(&["release", id])?.ok()?.says(&[
        "is held no more in local (it was: case 7)",
        "offsite holds it still",
        &format!("release {id} --repository offsite"),
    ])?;
    let held = place.site.run(&["hold", id, "--reason", "case 8", "--json"])?.ok()?.json()?;
    assert_eq!((&held["name"], &held["not_held_in"]), (&json!("local"), &Value::Null), "{held}");
    place.site.run(&["list"])?.ok()?.says(&["in local and offsite, held: case 8"]).map(drop)
}

fn row(place: &Place, id: &str) -> Outcome<Value> {
    let listed = place.site.run(&["list", "--json"])?.ok()?.json()?;
    let found = listed["backups"].as_array().and_then(|rows| rows.iter().find(|row| row["id"] == id));
    Ok(found.cloned().ok_or("it is not listed")?)
}

pub fn fits_several(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "")?;
    let ids = [place.backup()?, place.backup()?, place.backup()?];
    let refused = |arguments: &[&str], several: &str| place.site.run(arguments)?.status_is(2)?.says(&[several]);
    refused(&["copy", "20", "--to", "offsite"], "\"20\" fits 3 backups")?;
    refused(&["hold", "20", "--reason", "x"], "\"20\" fits 3 backups")?;
    for id in &ids[..2] {
        place.site.run(&["hold", id, "--reason", "case 9"])?.ok()?;
    }
    refused(&["release", "20"], "\"20\" fits 2 backups")?;
    for id in &ids[..2] {
        place.site.run(&["release", id])?.ok()?;
    }
    place.site.run(&["release", "20"])?.status_is(5)?.says(&["no backup 20 is held"])?;
    place.site.configure("[retention]\nrecovery_window = \"1s\"\nminimum = 1\n")?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    place.site.run(&["expire", "--yes"])?.ok()?.says(&["dropped 2 backups"])?;
    place.site.run(&["undelete", "20"])?.status_is(2)?.says(&["\"20\" fits 2 backups"])?;
    place.site.run(&["undelete", &ids[0]])?.ok().map(drop)
}
