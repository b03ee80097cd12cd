//! A set-up that is complete: somebody has shown, away from this host, that a key opens the backups, and has made a
//! recovery sheet.

use std::fs;

use serde_json::Value;

use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Outcome, damage};

/// All of it.
pub fn complete(site: &Site) -> Outcome {
    site.run(&["recovery-sheet"])?.ok()?;
    site.run_with_identity(&["key", "check"])?.ok()?;
    elsewhere(site)
}

/// As if another host had checked the key.
pub fn elsewhere(site: &Site) -> Outcome {
    let record = site.object("/key-checks/")?;
    let text = fs::read_to_string(&record)?;
    let (before, rest) = text.split_once("\"host\":\"").ok_or("a check names its host")?;
    let (_, after) = rest.split_once('"').ok_or("it ends")?;
    damage::replace(&record, format!("{before}\"host\":\"{}\"{after}", "00".repeat(32)).as_bytes())
}

fn advice(site: &Site) -> Outcome<Vec<String>> {
    let told = site.run(&["status", "--wait", "20s", "--json"])?.json()?;
    let reasons = told["verdict"]["reasons"].as_array().into_iter().flatten();
    let named = reasons.filter_map(|it| it["reason"].as_str());
    Ok(named.filter(|name| name.starts_with("key-") || name.starts_with("sheet-")).map(str::to_owned).collect())
}

pub fn until_it_is(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    let init = |site: &Site| -> Outcome<String> { Ok(site.run(&["init"])?.ok()?.stdout) };
    let said = init(&site)?;
    assert!(said.contains("no recovery sheet was made") && said.contains("no key was shown"), "{said}");
    site.archive_from(&server)?;
    site.run(&["backup"])?.ok()?;
    assert_eq!(advice(&site)?, ["key-never-checked", "sheet-never-made"]);

    // On the host of the database it proves little.
    let checked = site.run_with_identity(&["key", "check"])?.ok()?;
    checked.says(&["1 of 1 backups", "check the key on another machine too"])?;
    assert_eq!(advice(&site)?, ["key-never-checked", "sheet-never-made"]);
    let told = site.run(&["status", "--wait", "20s", "--json"])?.json()?;
    assert_eq!(told["repositories"][0]["key_check"]["counts"], false, "{told}");
    elsewhere(&site)?;
    assert_eq!(advice(&site)?, ["sheet-never-made"]);

    // The script alone is no sheet; the same sheet is written down once.
    site.run(&["recovery-sheet", "--by-hand"])?.ok()?;
    assert_eq!(advice(&site)?, ["sheet-never-made"]);
    site.run(&["recovery-sheet"])?.ok()?;
    site.run(&["recovery-sheet", "--html"])?.ok()?.says(&["<!DOCTYPE html>"])?;
    assert_eq!(site.objects("/recovery-sheets/")?.len(), 1);
    assert_eq!(advice(&site)?, [""; 0]);
    let said = init(&site)?;
    assert!(!said.contains("recovery sheet") && !said.contains("no key"), "{said}");

    let url = site.path("offsite").display().to_string();
    site.configure(&format!("[[repository]]\nname = \"offsite\"\nurl = \"file://{url}\"\nrequired = false\n"))?;
    init(&site)?;
    assert_eq!(advice(&site)?, ["sheet-outdated"]);
    site.run(&["recovery-sheet"])?.ok()?;
    assert_eq!(advice(&site)?, [""; 0]);

    // Another key is in use from now on.
    let (_, other) = pgcairn::codec::generate_identity();
    site.recipient = Some(other.to_string());
    site.configure("")?;
    assert_eq!(advice(&site)?, ["key-never-checked", "sheet-outdated"]);
    let shown: Value = site.run(&["recovery-sheet", "--json"])?.ok()?.json()?;
    assert_eq!(shown["recipients"][0], other.to_string());
    Ok(())
}
