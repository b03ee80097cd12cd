//! What becomes of dumps: kept by rules and holds, copied, dropped, brought back, and deleted.

use std::fs;

use super::{Place, content_of, script};
use crate::retention::aged::{grace_over, stored};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;

/// Whatever is older than this second, but for the newest.
const POLICY: &str =
    "[dump]\ndatabases = [\"sh*\"]\nexclude = [\"shadow\"]\n[dump.retention]\nwithin = \"1ms\"\nminimum = 1\n";

pub fn kept(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install)?;
    let offsite = place.site.path("offsite");
    let lines = format!("{POLICY}[[repository]]\nname = \"offsite\"\nurl = \"file://{}\"\n", offsite.display());
    place.site.configure(&lines)?;
    place.site.init()?;
    for name in ["shop", "shadow"] {
        place.server.sql(&format!("create database {name}"))?;
    }
    script(&place.server, "shop", "create table t as select generate_series(1, 1000) as a")?;
    place.dump(&["--hold", "case 4711"], 0)?;
    for _ in 0..3 {
        // As [dump] says: neither `shadow` nor `postgres`.
        place.dump(&[], 0)?.says(&["1 database"])?;
    }
    let ids = ids(&place, &[])?;
    assert_eq!(self::ids(&place, &["--held"])?, ids[..1]);

    let before = place.site.objects("")?;
    place.site.run(&["expire", "--dry-run"])?.ok()?.says(&[
        "hold: case 4711",
        "no rule keeps it",
        "minimum of shop",
    ])?;
    place.site.run(&["expire"])?.ok()?.says(&["dropped 2 dumps; 0 B are free", "will be after 7 days"])?;
    assert_eq!(self::ids(&place, &["--repository", "local"])?, [ids[0].clone(), ids[3].clone()]);
    // The latest is a backup, of which there is none.
    for command in ["release", "undelete"] {
        place.site.run(&[command, "latest"])?.status_is(5)?;
    }
    assert_eq!(place.site.objects("")?.len(), before.len(), "nothing is deleted yet");

    place.site.run(&["undelete", &ids[1]])?.ok()?.says(&["dump ", "is back, finished", "dump show"])?;
    place.site.run(&["hold", &ids[1], "--reason", "still needed"])?.ok()?.says(&["offsite does not hold it"])?;
    grace_over(&place.site)?;
    for object in place.site.objects(&format!("/dumps/{}/", ids[2]))? {
        stored(&object, 8)?;
    }
    leave_what_a_killed_run_has_left(&place)?;
    let freed = place.site.run(&["expire", "--json"])?.ok()?.json()?;
    assert!(freed["freed_bytes"].as_u64() > Some(0), "{freed}");
    assert!(place.site.objects(&ids[2])?.is_empty() && place.site.objects("-dump-0000")?.is_empty());
    place.site.run(&["undelete", &ids[2]])?.status_is(5)?;
    restores(&place, &ids[1], "local", "back")?;

    // The other repository has all of them still, and gives back what the first has lost.
    lose(&place, &ids[3])?;
    place.site.run(&["copy", &ids[3], "--to", "local"])?.ok()?.says(&["1 dump"])?;
    restores(&place, &ids[3], "local", "copied")?;
    // What was dropped there does not come back by itself.
    place.site.run(&["copy", "--all", "--to", "local"])?.ok()?;
    assert!(!self::ids(&place, &["--repository", "local"])?.contains(&ids[2]));
    place.site.run(&["dump", "list"])?.ok()?.says(&["in local and offsite", "held in local: still needed"])?;

    place.site.run(&["release", &ids[0]])?.ok()?.says(&["offsite holds it still"])?;
    place.site.run(&["expire", "--now", "--yes"])?.ok()?.says(&["deleted 1 dump; "])?;
    assert!(place.site.objects(&ids[0])?.is_empty());
    assert!(place.site.objects("/trash/")?.is_empty() && place.site.objects("/runs/")?.is_empty());
    restores(&place, &ids[0], "offsite", "offsite")
}

fn ids(place: &Place, words: &[&str]) -> Outcome<Vec<String>> {
    let list = place.site.run(&[&["dump", "list", "--json"], words].concat())?.ok()?.json()?;
    let id = |row: &serde_json::Value| row["id"].as_str().unwrap_or_default().to_owned();
    Ok(list["dumps"].as_array().into_iter().flatten().map(id).collect())
}

fn leave_what_a_killed_run_has_left(place: &Place) -> Outcome {
    let dumps = place.site.repository().join("clusters/main");
    let generation = fs::read_dir(dumps)?.next().ok_or("there is no cluster")??.path();
    let directory = generation.join("dumps/20260101T000000Z-dump-0000");
    account().make_dir(&directory)?;
    let piece = directory.join("1.zst.age");
    account().write(&piece, "half of a dump", 0o640)?;
    stored(&piece, 8)
}

fn lose(place: &Place, id: &str) -> Outcome {
    for object in place.site.objects(id)? {
        fs::remove_file(object)?;
    }
    Ok(())
}

fn restores(place: &Place, id: &str, repository: &str, name: &str) -> Outcome {
    let (bindir, connection, database) = (place.bindir(), place.server.connection(), format!("shop={name}"));
    let words = ["dump", "restore", id, "--into", &connection, "--bindir", &bindir, "--database", &database];
    place.site.run_with_identity(&[&words[..], &["--repository", repository]].concat())?.ok()?;
    assert_eq!(content_of(&place.server, name)?, content_of(&place.server, "shop")?);
    Ok(())
}
