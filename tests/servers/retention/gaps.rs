//! `wal list --gaps`: what expiry took is no gap, what was lost is one, even exactly between two backups.

use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::site::Site;

use super::aged::{Aged, grace_over};

const POLICY: &str = "[backup]\njobs = 1\n[retention]\nrecovery_window = \"2d\"\nminimum = 1\n";

pub fn gaps(install: &'static Installation) -> Outcome {
    let mut aged = Aged::new(install, POLICY, &[20, 3])?;
    aged.server.archive_all()?;
    aged.server.sql("insert into seen values (7)")?;
    aged.server.archive_all()?;
    aged.one_more()?;
    aged.site.run(&["hold", &aged.ids[0], "--reason", "case 7"])?.ok()?;
    aged.site.run(&["expire"])?.ok()?;
    grace_over(&aged.site)?;
    aged.site.run(&["expire"])?.ok()?;
    assert!(ranges(&aged.site)? > 1, "WAL between the held backup and the window is gone");
    assert_eq!(missing(&aged.site)?, 0);

    let between = segments_between(&aged, 1, 2)?;
    assert!(!between.is_empty());
    for name in between {
        std::fs::remove_file(aged.site.object(&format!("/{name}."))?)?;
    }
    assert!(missing(&aged.site)? > 0, "the window needs what lay between its two backups");
    Ok(())
}

fn listed(site: &Site) -> Outcome<Vec<serde_json::Value>> {
    let list = site.run(&["wal", "list", "--json"])?.json()?;
    Ok(list["timelines"][0]["ranges"].as_array().cloned().unwrap_or_default())
}

fn ranges(site: &Site) -> Outcome<usize> {
    Ok(listed(site)?.len())
}

fn missing(site: &Site) -> Outcome<u64> {
    Ok(listed(site)?.iter().filter_map(|range| range["missing_before"].as_u64()).sum())
}

/// What neither of two backups needs for itself.
fn segments_between(aged: &Aged, one: usize, other: usize) -> Outcome<Vec<String>> {
    let lsn = |number: usize, name: &str| -> Outcome<u64> {
        let marker = std::fs::read_to_string(aged.site.object(&format!("/backups/{}.json", aged.ids[number]))?)?;
        let summary: serde_json::Value = serde_json::from_str(marker.lines().next().unwrap_or_default())?;
        let lsn: pgcairn::model::lsn::Lsn = summary[name].as_str().unwrap_or_default().parse()?;
        Ok(lsn.0)
    };
    let first = (lsn(one, "stop_lsn")? - 1) / (1 << 20) + 1;
    let end = lsn(other, "start_lsn")? / (1 << 20);
    let name = |number| pgcairn::model::wal_name::Segment { timeline: 1, number }.name(1 << 20).to_string();
    Ok((first..end).map(name).collect())
}
