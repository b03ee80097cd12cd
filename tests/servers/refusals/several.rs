//! Several repositories: one that is away, one that is of another kind, and what cannot be copied between them.

use std::fs;

use super::super::support::Outcome;
use super::super::support::majors::Installation;
use super::super::support::site::Site;
use super::{Document, restore_words};
use crate::several::place::{Place, damage_all, objects};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    let site = &place.site;
    unlike(&mut document, &place)?;
    fs::rename(place.offsite(), site.path("away"))?;
    document.refuses("copy to a repository that is away", site, &["copy", "--all"])?;
    let plan = plan(site)?;
    document.warned("a repository is away", site, &plan, "is left out")?;
    fs::rename(site.path("away"), place.offsite())?;
    document.refuses("copy of a backup that is not there", site, &["copy", "2019", "--to", "offsite"])?;
    site.run(&["copy", "--all"])?.ok()?;

    damage_all(&objects(&site.repository(), "/backups/")?)?;
    let plan = self::plan(site)?;
    document.warned("an object is damaged in one of several repositories", site, &plan, "/backups/")?;
    document.end()
}

fn plan(site: &Site) -> Outcome<super::super::support::site::Run> {
    let words = restore_words(site, &["--to", "latest", "--plan", "--json"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    site.run_with_identity(&words)?.ok()
}

/// What is written to one repository and read from the other must be of one kind.
fn unlike(document: &mut Document, place: &Place) -> Outcome {
    let mut other = place.site.fork()?;
    let root = other.path("plain");
    let plain = Site::unencrypted(&place.server)?;
    plain.init()?;
    fs::rename(plain.repository(), &root)?;
    other.configure(&format!("[[repository]]\nname = \"plain\"\nurl = \"file://{}\"\n", root.display()))?;
    document.refuses("repositories of two kinds", &other, &["list"]).map(drop)
}
