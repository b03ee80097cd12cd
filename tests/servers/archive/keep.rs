//! `wal list`, `wal flush`, and the duplicates of `archive_mode = always`.

use std::fs;

use super::cluster::contents;
use super::primary::{insert, primary};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::Site;
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage};

pub fn list_and_flush(install: &'static Installation) -> Outcome {
    let primary = primary(install)?;
    let site = &primary.live;
    for _ in 0..2 {
        insert(&primary.server, 5)?;
        let flushed_by = primary.server.lsn()?;
        let flush = site.run(&["--json", "wal", "flush"])?.ok()?.json()?;
        let last = flush["last_segment"].as_str().ok_or("no last_segment")?.to_owned();
        site.object(&last)?;
        let to = flush["flushed_to"].as_str().ok_or("no flushed_to")?.to_owned();
        assert_eq!(primary.server.value(&format!("select '{to}'::pg_lsn >= '{flushed_by}'"))?, "t");
        assert_eq!(primary.server.value(&format!("select pg_walfile_name('{flushed_by}'::pg_lsn) <= '{last}'"))?, "t");
    }
    // Nothing arrives where nobody archives.
    site.fork()?.run(&["wal", "flush", "--timeout", "1s"])?.status_is(12)?.says(&["did not arrive", "hint:"])?;

    let site = &primary.site;
    site.run(&["wal", "list"])?.ok()?.says(&[primary.segments.last().ok_or("no segments")?])?;
    damages(&site.fork()?, &primary.segments)
}

/// What `wal list` says without a key: holes, and segments that no recovery passes.
fn damages(site: &Site, segments: &[String]) -> Outcome {
    let first = site.objects("/wal/")?.into_iter().next().ok_or("no WAL")?;
    let object = |n: usize| site.object(&format!("{}.zst", segments[n]));
    let half = fs::read(object(4)?)?.len() / 2;
    damage::truncate(&object(4)?, half)?;
    let (damaged, cut) = (format!("DAMAGED {}", segments[4]), format!("it has {half} bytes"));
    site.run(&["wal", "list"])?.status_is(12)?.says(&[&damaged, &cut])?;
    // Not even the first segment may keep anybody from the rest.
    damage::truncate(&first, 0)?;
    damage::swap(&object(2)?, &object(3)?)?;
    let list = site.run(&["wal", "list"])?.status_is(12)?;
    for n in [2, 3, 4] {
        list.clone().says(&[&format!("DAMAGED {}", segments[n])])?;
    }
    assert_eq!(list.stdout.matches("DAMAGED").count(), 4, "{}", list.stdout);
    fs::remove_file(object(1)?)?;
    fs::remove_file(object(3)?)?;
    let list = site.run(&["--json", "wal", "list"])?.status_is(12)?.json()?;
    let ranges = &list["timelines"][0]["ranges"];
    let gaps: Vec<_> = ranges.as_array().into_iter().flatten().filter_map(|r| r["missing_before"].as_u64()).collect();
    assert_eq!(gaps, [0, 1, 1]);
    let gaps =
        site.run(&["wal", "list", "--gaps"])?.status_is(12)?.says(&["GAP: 1 segment missing", "2 segments missing"])?;
    assert!(!gaps.stdout.contains(&segments[0]), "{}", gaps.stdout);
    Ok(())
}

/// A standby that archives what it restores pushes everything once more: success, and nothing is written.
pub fn always(install: &'static Installation) -> Outcome {
    let primary = primary(install)?;
    let site = primary.site.fork()?;
    let mut copy = primary.copy("standby.signal")?;
    let config = site.path("standby.toml");
    let text = fs::read_to_string(site.config())?;
    let (origin, standby) = (primary.server.data().display(), copy.server.data().display());
    account().write(&config, text.replace(&format!("{origin:?}"), &format!("{standby:?}")), 0o644)?;
    assert!(fs::read_to_string(&config)?.contains(&standby.to_string()));
    let push = site.archive_command().replace(&site.config().display().to_string(), &config.display().to_string());
    for (name, value) in [
        ("archive_mode", "always"),
        ("archive_command", push.trim_matches('\'')),
        ("restore_command", &site.fetch_command("wal fetch --standby %f %p")),
        ("wal_retrieve_retry_interval", "100ms"),
    ] {
        copy.server.override_setting(name, value);
    }
    let before = contents(&site)?;
    copy.server.start()?;
    let last = primary.segments.last().ok_or("no segments")?;
    let archived = format!("select last_archived_wal >= '{last}' from pg_stat_archiver");
    wait_for("the standby to archive what it restored", || Ok((copy.server.value(&archived)? == "t").then_some(())))
        .map_err(|_| copy.server.log_tail())?;
    assert_eq!(copy.server.value("select failed_count from pg_stat_archiver")?, "0", "{}", copy.server.log_tail());
    let pushed: usize = copy.server.value("select archived_count from pg_stat_archiver")?.parse()?;
    assert!(pushed >= primary.segments.len(), "{pushed}");
    assert_eq!(contents(&site)?, before);
    Ok(())
}
