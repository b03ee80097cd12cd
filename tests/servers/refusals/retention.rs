//! `expire`, `hold`, `release`, `undelete`: what is refused, and what damage they stop at.

use std::fs;

use serde_json::json;

use super::super::retention::aged::{Aged, grace_over, set_age, stored};
use super::super::support::majors::Installation;
use super::super::support::site::Site;
use super::super::support::{Outcome, damage};
use super::table::Refusal;
use super::{Document, names};

const POLICY: &str = "[backup]\njobs = 1\n[retention]\nrecovery_window = \"2d\"\nminimum = 1\n";

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let aged = Aged::new(install, POLICY, &[20, 10, 3])?;
    aged.server.archive_all()?;
    wishes(&mut document, &aged)?;
    expire_beside_damage(&mut document, &aged)?;
    undelete(&mut document, &aged)?;
    document.end()
}

fn wishes(document: &mut Document, aged: &Aged) -> Outcome {
    let site = aged.site.fork()?;
    document.refuses("expire would drop more than half", &site, &["expire"])?;
    site.run(&["expire", "--dry-run"])?.ok()?.says(&["expire --yes"])?;
    document.refuses("release where nothing is held", &site, &["release", &aged.ids[0]])?;
    site.run(&["list", "--held"])?.ok()?;
    document.refuses("undelete where nothing was dropped", &site, &["undelete", &aged.ids[0]])?;
    site.run(&["hold", &aged.ids[0], "--reason", "case 7"])?.ok()?;
    document.refuses("a hold of what is held", &site, &["hold", &aged.ids[0], "--reason", "case 8"])?;
    site.run(&["release", &aged.ids[0]])?.ok()?;
    site.run(&["hold", &aged.ids[0], "--reason", "case 8"])?.ok()?;
    site.run(&["expire"])?.ok().map(drop)
}

fn expire_beside_damage(document: &mut Document, aged: &Aged) -> Outcome {
    let damaged = |object: &str| -> Outcome<Site> {
        let site = aged.site.fork()?;
        damage::flip_bit(&site.object(object)?, 40)?;
        Ok(site)
    };
    let site = damaged(&format!("/backups/{}.json", aged.ids[0]))?;
    document.refuses("expire beside a damaged commit marker", &site, &["expire", "--yes"])?;
    let object = site.object(&format!("/backups/{}.json", aged.ids[0]))?;
    fs::remove_file(object)?;
    site.run(&["expire", "--yes"])?.ok()?;

    // Its last byte is of a checksum: what another one would break is chance.
    let site = aged.site.fork()?;
    let list = site.object(&format!("/objects/{}.jsonl.zst", aged.ids[2]))?;
    damage::flip_bit(&list, fs::metadata(&list)?.len() as usize - 1)?;
    document.refuses("expire beside a damaged list of objects", &site, &["expire", "--yes"])?;

    let site = dropped(aged)?;
    let trash = site.object(&format!("/trash/{}", aged.ids[1]))?;
    damage::flip_bit(&trash, 40)?;
    grace_over(&site)?;
    stored(&trash, 1)?;
    document.refuses("expire beside damaged trash", &site, &["expire"])?;
    document.refuses("undelete from damaged trash", &site, &["undelete", &aged.ids[1]])?;
    fs::remove_file(&trash)?;
    site.run(&["expire"])?.ok()?;

    let site = dropped(aged)?;
    let condemned = site.object("/condemned/")?;
    damage::flip_bit(&condemned, 3)?;
    grace_over(&site)?;
    let run = site.run(&["expire", "--json"])?;
    let warnings = run.ok()?.json()?["warnings"].take();
    assert_eq!(warnings.as_array().map(Vec::len), Some(1), "{warnings}");
    let said = Refusal::of(&json!({ "error": warnings[0] }).to_string(), 0, &names(&site)).ok_or("no warning")?;
    document.hold("expire beside a damaged object in condemned", said);
    fs::remove_file(&condemned)?;
    site.run(&["expire"])?.ok().map(drop)
}

fn dropped(aged: &Aged) -> Outcome<Site> {
    let site = aged.site.fork()?;
    site.run(&["expire", "--yes"])?.ok()?;
    Ok(site)
}

fn undelete(document: &mut Document, aged: &Aged) -> Outcome {
    let site = dropped(aged)?;
    let packs = site.objects(&format!("/packs/{}/", aged.ids[0]))?;
    fs::remove_file(&packs[0])?;
    document.refuses("undelete of a backup that lost a part", &site, &["undelete", &aged.ids[0]])?;
    assert!(site.objects("/holds/")?.is_empty(), "the hold under which it worked is gone");

    let site = dropped(aged)?;
    site.objects("/wal/00000001/")?.iter().filter(|file| !is_history(file)).try_for_each(fs::remove_file)?;
    document.refuses("undelete of a backup that lost its WAL", &site, &["undelete", &aged.ids[1]])?;
    set_age(&site, &aged.ids[2], 3)
}

fn is_history(file: &std::path::Path) -> bool {
    file.to_string_lossy().contains(".history")
}
