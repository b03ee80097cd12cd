//! What is kept of dumps.

use jiff::ToSpan;
use proptest::prelude::*;

use super::*;
use crate::model::catalog::ObjectsDigest;
use crate::model::dump::Totals;
use crate::model::sha256::Sha256Sum;

const NOW: &str = "2026-11-20T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Made that many hours ago.
fn dump(hours: i64, databases: &[&str]) -> Marker {
    let finished = now().checked_sub(hours.hours()).unwrap();
    let id = BackupId::of_dump(&finished.strftime("%Y%m%dT%H%M%SZ").to_string(), hours as u32).unwrap();
    let objects = ObjectsDigest { size: 1, sha256: Sha256Sum::of(b"") };
    let summary = Summary {
        format: 1,
        minimum_reader: 1,
        id,
        cluster: crate::model::key::ClusterName::new("main").unwrap(),
        system_identifier: 1,
        labels: BTreeMap::new(),
        server_version: 180_004,
        pg_dump_major: 18,
        started: finished,
        finished,
        standby: false,
        schema_only: false,
        databases: databases.iter().map(|name| (*name).to_owned()).collect(),
        totals: Totals { databases: databases.len() as u64, ..Totals::default() },
        objects,
        recipients: Vec::new(),
        pgcairn: String::new(),
        lacks_objects: false,
    };
    Marker { summary, signed: Signed::No }
}

fn policy(within_hours: u64, daily: u32, monthly: u32, minimum: u32) -> DumpPolicy {
    let within = Duration::from_secs(within_hours * 3600);
    DumpPolicy { within, daily, weekly: 0, monthly, yearly: 0, minimum }
}

/// Of each dump the rule in words, or what it is dropped by.
fn told(policy: &DumpPolicy, dumps: &[Marker]) -> Vec<String> {
    let holds = BTreeMap::new();
    let input = DumpInput { policy, dumps, holds: &holds, proven: None, now: now() };
    verdicts(&input).into_iter().map(|v| v.rule.map_or("dropped".to_owned(), |rule| rule.to_string())).collect()
}

#[test]
fn the_last_of_each_day_and_the_newest_stay() {
    let dumps: Vec<Marker> = [90, 60, 50, 37, 30, 13].map(|hours| dump(hours, &["shop"])).to_vec();
    // 17th, 18th at 0 and at 10, 18th at 23, 19th at 6 and 23.
    let kept = told(&policy(0, 2, 0, 1), &dumps);
    assert_eq!(kept, ["dropped", "dropped", "dropped", "daily 2026-11-18", "dropped", "daily 2026-11-19"]);
    assert_eq!(told(&policy(36, 0, 0, 1), &dumps)[4..], ["within", "within"]);
    assert_eq!(told(&policy(0, 0, 0, 2), &dumps)[4..], ["minimum of shop", "minimum of shop"]);
}

#[test]
fn a_dump_of_one_database_takes_no_place_of_another() {
    let dumps = [dump(30, &["crm", "shop"]), dump(29, &["shop"]), dump(28, &["shop"])];
    assert_eq!(told(&policy(0, 1, 0, 1), &dumps), ["daily 2026-11-19", "dropped", "daily 2026-11-19"]);
    assert_eq!(told(&policy(0, 0, 0, 1), &dumps), ["minimum of crm", "dropped", "minimum of shop"]);
}

#[test]
fn a_database_that_is_gone_keeps_its_last_dump_and_no_days() {
    let mut dumps: Vec<Marker> = (5..9).rev().map(|day| dump(24 * day, &["old", "shop"])).collect();
    dumps.extend((1..4).rev().map(|day| dump(24 * day, &["shop"])));
    let kept = told(&policy(0, 3, 0, 1), &dumps);
    assert_eq!(kept[..4], ["dropped", "dropped", "dropped", "minimum of old"]);
    assert!(kept[4..].iter().all(|rule| rule.starts_with("daily ")));
}

#[test]
fn schema_alone_counts_apart() {
    let mut schema = dump(10, &["shop"]);
    schema.summary.schema_only = true;
    let dumps = [dump(11, &["shop"]), schema];
    assert_eq!(told(&policy(0, 1, 0, 1), &dumps), ["daily 2026-11-20", "daily 2026-11-20"]);
}

#[test]
fn what_is_forged_pushes_nothing_out() {
    let mut forged = dump(1, &["shop"]);
    forged.signed = Signed::Wrong("not by this host".to_owned());
    let dumps = [dump(11, &["shop"]), forged.clone()];
    assert_eq!(told(&policy(0, 1, 0, 1), &dumps), ["daily 2026-11-20", "dropped"]);
    assert_eq!(told(&policy(0, 0, 0, 1), &[forged]), ["minimum of shop"]);
}

#[test]
fn what_is_held_or_proven_stays() {
    let dumps: Vec<Marker> = [60, 50, 40].map(|hours| dump(hours, &["shop"])).to_vec();
    let id = dumps[0].summary.id.clone();
    let hold = Hold { format: 1, backup: id.clone(), reason: "case 4711".to_owned(), created: now(), until: None };
    let (holds, policy) = (BTreeMap::from([(id, hold)]), policy(0, 0, 0, 1));
    let proven = Some(&dumps[1].summary.id);
    let kept = verdicts(&DumpInput { policy: &policy, dumps: &dumps, holds: &holds, proven, now: now() });
    let rules: Vec<String> = kept.into_iter().map(|verdict| verdict.rule.unwrap().to_string()).collect();
    assert_eq!(rules, ["hold: case 4711", "newest proven by a drill", "minimum of shop"]);
}

#[test]
fn what_goes_while_others_come() {
    let mut dumps: Vec<Marker> = (1..5).map(|day| dump(24 * day, &["shop"])).collect();
    dumps.iter_mut().for_each(|dump| dump.summary.totals.stored_bytes = 10);
    let (policy, holds) = (policy(0, 3, 0, 1), BTreeMap::new());
    let input = DumpInput { policy: &policy, dumps: &dumps, holds: &holds, proven: None, now: now() };
    let within = |days: u64| freed_within(&input, Duration::from_secs(days * 24 * 3600));
    // Four are there and three stay; those of the last two days are made once more within two.
    assert_eq!([within(1), within(2), within(9)], [10, 20, 40]);
}

proptest! {
    /// Carried out, it gives the same once more; and each database keeps its newest.
    #[test]
    fn a_second_run_drops_nothing_more(
        made in proptest::collection::btree_map(0..3000i64, (1..8u8, any::<bool>(), any::<bool>()), 1..30),
        (within, daily, monthly, minimum) in (0..200u64, 0..4u32, 0..3u32, 1..3u32),
    ) {
        let dumps: Vec<Marker> = made.iter().map(|(hours, (set, schema_only, forged))| {
            let names: Vec<&str> = ["a", "b", "c"].into_iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, name)| name).collect();
            let mut dump = dump(*hours, &names);
            dump.summary.schema_only = *schema_only;
            if *forged {
                dump.signed = Signed::Wrong(String::new());
            }
            dump
        }).collect();
        let (policy, holds) = (policy(within, daily, monthly, minimum), BTreeMap::new());
        let plan = |dumps: &[Marker]| verdicts(&DumpInput { policy: &policy, dumps, holds: &holds, proven: None, now: now() });
        let first = plan(&dumps);
        let kept: BTreeSet<BackupId> = first.iter().filter(|v| v.rule.is_some()).map(|v| v.id.clone()).collect();
        let left: Vec<Marker> = dumps.iter().filter(|marker| kept.contains(&marker.summary.id)).cloned().collect();
        prop_assert!(plan(&left).iter().all(|verdict| verdict.rule.is_some()));
        for name in ["a", "b", "c"] {
            let has = |marker: &&Marker| marker.summary.databases.iter().any(|n| n == name) && !marker.summary.schema_only;
            let genuine = |marker: &&Marker| !matches!(marker.signed, Signed::Wrong(_));
            if let Some(newest) = dumps.iter().filter(has).filter(genuine).max_by_key(|marker| marker.summary.finished) {
                prop_assert!(kept.contains(&newest.summary.id));
            }
            if dumps.iter().any(|marker| has(&marker)) {
                prop_assert!(left.iter().any(|marker| has(&marker)));
            }
        }
    }
}
