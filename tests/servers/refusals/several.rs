//! Several repositories: one that is away, one that is of another kind, and what cannot be copied between them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pgcairn::model::error::Code;
use serde_json::{Value, json};

use super::super::support::majors::Installation;
use super::super::support::site::Site;
use super::super::support::{Outcome, damage};
use super::table::Refusal;
use super::{Document, names, restore_words};
use crate::several::place::{self, Place, damage_all, objects};

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

    let marker = objects(&place.offsite(), "/backups/")?.remove(0);
    damage_all(std::slice::from_ref(&marker))?;
    let listed = site.run(&["list", "--json"])?.ok()?.json()?;
    let when = "a commit marker is damaged in one of several repositories";
    told(&mut document, when, site, 10, &listed["warnings"][0])?;
    not_copied(&mut document, site, "a commit marker is damaged where it would be copied to")?;
    fs::remove_file(marker)?;
    site.run(&["copy", "--all"])?.ok()?;

    cut_there(&mut document, &place)?;
    unlistable(&mut document, &place)?;
    parted(&mut document, &place)?;
    damage_all(&objects(&site.repository(), "/backups/")?)?;
    let plan = self::plan(site)?;
    document.warned("an object is damaged in one of several repositories", site, &plan, "/backups/")?;
    away(&mut document, place)?;
    document.end()
}

/// What `copy` says of one that it could not bring, and ends with the status of it.
fn not_copied(document: &mut Document, site: &Site, when: &str) -> Outcome {
    let run = site.run(&["copy", "--all", "--json"])?;
    let failed = &run.json()?["repositories"][0]["failed"][0];
    let text = |field: &str| failed[field].as_str().unwrap_or_default().to_owned();
    let message = format!("{}: {}", text("what"), text("reason"));
    let error = json!({ "code": Code::Flagged.name(), "message": message, "hint": text("hint") });
    told(document, when, site, run.status, &error)
}

fn told(document: &mut Document, when: &str, site: &Site, status: i32, error: &Value) -> Outcome {
    let said = Refusal::of(&json!({ "error": error }).to_string(), status, &names(site)).ok_or("nothing is told")?;
    document.hold(when, said);
    Ok(())
}

/// A segment that was cut short in the repository that it would be copied to.
fn cut_there(document: &mut Document, place: &Place) -> Outcome {
    let segment = objects(&place.offsite(), "/wal/00000001/00000000/")?.remove(0);
    let length = fs::metadata(&segment)?.len();
    damage::truncate(&segment, length as usize / 2)?;
    not_copied(document, &place.site, "a segment is cut short where it would be copied to")?;
    assert_eq!(fs::metadata(&segment)?.len(), length / 2);
    fs::remove_file(&segment)?;
    place.site.run(&["copy", "--all"])?.ok()?;
    assert_eq!(fs::metadata(&segment)?.len(), length);
    Ok(())
}

/// Where it is known what must be there, the others may have it; else nothing goes on without a person's word.
fn unlistable(document: &mut Document, place: &Place) -> Outcome {
    let pack = objects(&place.site.repository(), "/packs/")?.remove(0);
    let segment = objects(&place.site.repository(), "/wal/00000001/00000000/")?.remove(0);
    let shut = |object: &Path, mode| fs::set_permissions(object.with_file_name(""), fs::Permissions::from_mode(mode));
    shut(&pack, 0o000)?;
    let planned = plan(&place.site);
    shut(&pack, 0o750)?;
    document.warned("packs of one of several repositories cannot be listed", &place.site, &planned?, "cannot list")?;
    shut(&segment, 0o000)?;
    let listed = document.refuses("WAL of one of several repositories cannot be listed", &place.site, &["wal", "list"]);
    let other = place.site.run(&["wal", "list", "--repository", "offsite"]);
    shut(&segment, 0o750)?;
    listed?;
    other?.ok().map(drop)
}

/// One that archive_command must reach.
fn away(document: &mut Document, mut place: Place) -> Outcome {
    let third = place.site.path("third");
    place.site.configure(&format!("[[repository]]\nname = \"third\"\nurl = \"file://{}\"\n", third.display()))?;
    document.refuses("a required repository is away before a backup", &place.site, &["backup"])?;
    let flush = ["wal", "flush", "--timeout", "2s"];
    document.refuses("WAL does not arrive in a required repository", &place.site, &flush).map(drop)
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
    document.refuses("repositories of two kinds", &other, &["list"])?;
    let mut linked = place.site.fork()?;
    let link = linked.path("link");
    std::os::unix::fs::symlink(place.site.repository(), &link)?;
    linked.configure(&format!(
        "[[repository]]\nname = \"link\"\nurl = \"file://{}\"\n[retention]\nminimum = 1\n",
        link.display()
    ))?;
    document.refuses("two repositories are one place", &linked, &["expire"]).map(drop)
}

/// The first has lost all that the second has, and the second has not got what is new.
fn parted(document: &mut Document, place: &Place) -> Outcome {
    for copied in place::names(&place.offsite(), "/wal/0")? {
        fs::remove_file(place.site.repository().join(copied))?;
    }
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    let plan = plan(&place.site)?;
    document.warned("two repositories have no segment in common", &place.site, &plan, "nothing proves")
}
