//! A repository's life: expire, undelete, hold, the grace time, and expiry at once.

use crate::support::Outcome;
use crate::support::majors::Installation;

use super::aged::{Aged, grace_over, listed};

const POLICY: &str = "[retention]\nrecovery_window = \"2d\"\nminimum = 1\n";

pub fn life(install: &'static Installation) -> Outcome {
    let mut aged = Aged::new(install, "[backup]\njobs = 1\n", &[20, 10, 3, 1])?;
    aged.server.sql("insert into seen values (4)")?;
    aged.server.archive_all()?;
    without_retention(&aged)?;
    aged.site.configure(POLICY)?;
    dry_run(&aged)?;
    let wal = aged.site.objects("/wal/")?.len();

    let done = aged.site.run(&["expire"])?.ok()?;
    done.says(&["dropped 2 backups", "window rests on it", "will be after 7 days", "pgcairn", "list"])?;
    assert_eq!(listed(&aged.site, &[])?, aged.ids[2..]);
    assert_eq!(aged.site.objects("/wal/")?.len(), wal, "nothing is deleted yet");
    aged.restores(&aged.site, 2)?;

    aged.site.run(&["undelete", &aged.ids[0]])?.ok()?.says(&["is back", "it is held until"])?;
    aged.restores(&aged.site, 0)?;
    // The hold that undelete leaves keeps it over the next night, and gives way to another.
    aged.site
        .run(&["expire"])?
        .ok()?
        .says(&["hold: brought back by undelete until", "dropped 0 backups; 0 B are free"])?;
    aged.site.run(&["hold", &aged.ids[0], "--reason", "case 7"])?.ok()?;
    assert_eq!(listed(&aged.site, &["--held"])?, aged.ids[..1]);
    aged.site.run(&["show", &aged.ids[0]])?.ok()?.says(&["held: case 7"])?;

    grace_over(&aged.site)?;
    let freed = aged.site.run(&["expire", "--json"])?.ok()?.json()?;
    assert!(freed["freed_bytes"].as_u64() > Some(0), "{freed}");
    assert!(aged.site.objects(&aged.ids[1])?.is_empty(), "the other one is deleted");
    assert!(aged.site.objects("/wal/")?.len() < wal);
    aged.site.run(&["undelete", &aged.ids[1]])?.status_is(5)?;
    // Its own segments alone are left before the window.
    aged.restores(&aged.site, 0)?;
    aged.restores(&aged.site, 3)?;
    assert_eq!(aged.rows_after(&aged.site, &["--to", "latest"])?, "5");
    every_moment(&aged)?;

    aged.site.run(&["release", &aged.ids[0]])?.ok()?;
    held_from_its_birth(&mut aged)?;
    aged.site.run(&["expire", "--now"])?.status_is(4)?;
    aged.site.run(&["expire", "--now", "--yes"])?.ok()?.says(&["deleted 1 backup; ", " are free"])?;
    assert!(aged.site.objects(&aged.ids[0])?.is_empty());
    assert!(aged.site.objects("/trash/")?.is_empty() && aged.site.objects("/condemned/")?.is_empty());
    assert!(aged.site.objects("/runs/")?.is_empty());
    aged.restores(&aged.site, 2)
}

fn without_retention(aged: &Aged) -> Outcome {
    let run = aged.site.run(&["expire"])?.ok()?;
    run.says(&["nothing expires: the configuration has no [retention]"])?;
    assert_eq!(listed(&aged.site, &[])?.len(), 4);
    Ok(())
}

fn dry_run(aged: &Aged) -> Outcome {
    let objects = aged.site.objects("")?;
    let plan = aged.site.run(&["expire", "--dry-run", "--json"])?.ok()?.json()?;
    let verdicts: Vec<_> = plan["backups"].as_array().into_iter().flatten().collect();
    let kept: Vec<_> = verdicts.iter().map(|row| row["kept"].as_bool()).collect();
    assert_eq!(kept, [Some(false), Some(false), Some(true), Some(true)]);
    assert_eq!(verdicts[2]["rule"], "window rests on it");
    assert_eq!(verdicts[3]["rule"], "window");
    assert!(plan["window_from"].is_string() && plan["condemned_bytes"].as_u64() > Some(0), "{plan}");
    assert_eq!(aged.site.objects("")?, objects);
    Ok(())
}

/// From the backup that the window rests on WAL leads to every row.
fn every_moment(aged: &Aged) -> Outcome {
    let listed = aged.site.run(&["wal", "list", "--json"])?.ok()?.json()?;
    let newest = listed["timelines"][0]["ranges"].as_array().and_then(|ranges| ranges.last()).cloned();
    let first = newest.ok_or("no WAL is left")?["first"].as_str().unwrap_or_default().to_owned();
    let marker = std::fs::read_to_string(aged.site.object(&format!("/backups/{}.json", aged.ids[2]))?)?;
    let summary: serde_json::Value = serde_json::from_str(marker.lines().next().unwrap_or_default())?;
    let start: pgcairn::model::lsn::Lsn = summary["start_lsn"].as_str().unwrap_or_default().parse()?;
    let segment = pgcairn::model::wal_name::Segment::containing(1, start, 1 << 20);
    assert_eq!(first, segment.name(1 << 20).to_string(), "WAL is kept exactly");
    Ok(())
}

fn held_from_its_birth(aged: &mut Aged) -> Outcome {
    let run = aged.site.run(&["backup", "--hold", "the upgrade", "--json"])?.ok()?;
    let id = run.result()?["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(listed(&aged.site, &["--held"])?, std::slice::from_ref(&id));
    aged.site.run(&["release", &id])?.ok()?;
    assert_eq!(listed(&aged.site, &["--held"])?, Vec::<String>::new());
    Ok(())
}
