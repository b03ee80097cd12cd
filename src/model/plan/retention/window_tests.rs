//! Windows and what is freed ahead, by example and over random lives of a cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::tests::{Daily, SEGMENT, at, backup, live, policy, segment};
use super::*;
use crate::model::lsn::Lsn;
use crate::model::timeline::{Ancestor, Timeline, TimelineJson};
use crate::model::wal_name::WalName;

/// Timeline, first backup's number in `backups`, last segment.
fn windows(backups: &[Summary], wal: &[WalObject], facts: &BTreeMap<TimelineId, TimelineJson>) -> Vec<(u32, u64, u64)> {
    let archive = Archive::new(wal.iter().copied(), facts, backups);
    let number = |id: &BackupId| backups.iter().position(|backup| backup.id == *id).unwrap() as u64;
    let of = |w: &Window| (w.timeline, number(&w.backup), w.last.to_segment(SEGMENT).unwrap().number);
    archive.windows(backups).iter().map(of).collect()
}

#[test]
fn a_window_ends_at_a_hole() {
    let mut daily = Daily::new(9);
    let none = BTreeMap::new();
    assert_eq!(windows(&daily.backups, &daily.wal, &none), [(1, 0, 8)]);
    // The backup of day 4 needs the one segment that is lost.
    daily.wal.remove(4);
    assert_eq!(windows(&daily.backups, &daily.wal, &none), [(1, 0, 3), (1, 5, 8)]);
    daily.backups[5].wal_broken_at = Some(Lsn(1));
    daily.backups[6].is_forged = true;
    assert_eq!(windows(&daily.backups, &daily.wal, &none), [(1, 0, 3), (1, 7, 8)]);
    assert_eq!(windows(&[], &daily.wal, &none), []);
    assert_eq!(windows(&daily.backups, &[], &none), []);
}

#[test]
fn a_later_timeline_rests_on_backups_of_an_earlier_one() {
    let Daily { backups, mut wal, now } = Daily::new(6);
    let branched = |at: u64| {
        let parent = Ancestor { timeline: 1, switch_lsn: Lsn(at * SEGMENT + 8), reason: String::new() };
        BTreeMap::from([(2, TimelineJson::from(&Timeline { id: 2, ancestors: vec![parent] }))])
    };
    wal.extend((4..8).map(|number| segment(2, number, now)));
    assert_eq!(windows(&backups, &wal, &branched(4)), [(1, 0, 5)], "its history is missing");
    wal.push(WalObject { name: WalName::History(2), size: 1, modified: now });
    assert_eq!(windows(&backups, &wal, &branched(4)), [(1, 0, 5), (2, 0, 7)]);
    // The segment with the switch itself must be the new timeline's.
    wal.retain(|object| object.name != segment(2, 4, now).name);
    assert_eq!(windows(&backups, &wal, &branched(4)), [(1, 0, 5)]);
    assert_eq!(windows(&backups, &wal, &branched(5)), [(1, 0, 5), (2, 0, 7)]);
    assert_eq!(windows(&backups, &wal, &branched(7)), [(1, 0, 5)], "6 of the old timeline is missing");
}

#[test]
fn what_replaces_is_counted_before_it_is_made() {
    let mut daily = Daily::new(20);
    daily.backups.iter_mut().for_each(|backup| backup.totals.stored_bytes = 1000);
    let freed = |daily: &Daily, policy: &Policy| {
        let wal = Archive::new(daily.wal.iter().copied(), &BTreeMap::new(), &daily.backups);
        let (backups, holds) = (&daily.backups[..], BTreeMap::new());
        let input = Input { policy, backups, holds: &holds, proven: None, wal: &wal, now: daily.now };
        Plan::freed_within(&input, Duration::from_secs(7 * DAY))
    };
    let dailies = Policy { daily: 20, ..policy(2) };
    assert_eq!(freed(&daily, &dailies), 7 * 1010, "seven backups, each with a segment of 10 bytes");
    assert_eq!(freed(&daily, &policy(100)), 0);
    // Where backups are made no more, none replaces another.
    daily.now = at("2027-10-01T00:00:00Z");
    assert_eq!(freed(&daily, &dailies), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_end_of_a_window_can_be_reached(steps in prop::collection::vec(any::<(u8, u8)>(), 1..80)) {
        let life = live(&steps);
        let archive = Archive::new(life.wal.iter().copied(), &life.facts, &life.backups);
        for window in archive.windows(&life.backups) {
            let first = life.backups.iter().find(|backup| backup.id == window.backup).unwrap();
            prop_assert_eq!(first.stopped, window.from);
            prop_assert!(life.reaches(first, window.last.to_segment(SEGMENT).unwrap()), "{:?}", window);
        }
    }

    /// Without losses nothing is between a backup and the end of its timeline.
    #[test]
    fn a_backup_is_in_a_window_of_its_timeline(steps in prop::collection::vec(any::<(u8, u8)>(), 1..80)) {
        let whole: Vec<(u8, u8)> = steps.iter().map(|(what, detail)| (*what, detail & !1)).collect();
        let life = live(&whole);
        let archive = Archive::new(life.wal.iter().copied(), &life.facts, &life.backups);
        let windows = archive.windows(&life.backups);
        for backup in life.backups.iter().filter(|backup| backup.wal_broken_at.is_none()) {
            let holds = |w: &&Window| w.timeline == backup.timeline && w.from <= backup.stopped;
            prop_assert!(windows.iter().any(|w| holds(&w)), "{} {:?}", backup.id, windows);
        }
    }
}

#[test]
fn a_backup_of_several_segments_needs_them_all() {
    let now = at("2026-10-01T03:00:00Z");
    let backups = [backup(1, 1, (3, 5), now)];
    let wal: Vec<WalObject> = (3..9).map(|number| segment(1, number, now)).collect();
    assert_eq!(windows(&backups, &wal, &BTreeMap::new()), [(1, 0, 8)]);
    assert_eq!(windows(&backups, &wal[1..], &BTreeMap::new()), []);
    assert_eq!(windows(&backups, &wal[..2], &BTreeMap::new()), []);
}

/// Backups every week, and an expiry every day: none is older than what a lock is set for.
#[test]
fn none_is_kept_longer_than_is_said() {
    let weekly = |policy: Policy| {
        let (first, mut oldest) = (at("2026-01-05T03:00:00Z"), Duration::ZERO);
        let made = |n: u32| first + SignedDuration::from_hours(24 * 7 * i64::from(n));
        let (mut backups, mut wal): (Vec<Summary>, Vec<WalObject>) = Default::default();
        for day in 0..400u32 {
            let now = first + SignedDuration::from_hours(24 * i64::from(day) + 1);
            if day % 7 == 0 {
                let number = day / 7;
                backups.push(backup(number, 1, (number.into(), number.into()), made(number)));
                wal.push(segment(1, number.into(), made(number)));
            }
            let archive = Archive::new(wal.iter().copied(), &BTreeMap::new(), &backups);
            let holds = BTreeMap::new();
            let input = Input { policy: &policy, backups: &backups, holds: &holds, proven: None, wal: &archive, now };
            let dropped: Vec<BackupId> = Plan::new(&input).dropped().cloned().collect();
            backups.retain(|backup| !dropped.contains(&backup.id));
            let age = now.duration_since(backups[0].stopped);
            oldest = oldest.max(age.try_into().unwrap());
        }
        (oldest, policy.longest())
    };
    let days = |days: u64| Duration::from_secs(days * DAY);
    let window = Policy { recovery_window: days(30), minimum: 1, ..Policy::default() };
    let (oldest, longest) = weekly(window.clone());
    assert_eq!(longest, days(38));
    assert!(oldest > days(30) && oldest <= longest, "what the window rests on: {oldest:?}");
    for policy in [Policy { weekly: 10, ..window.clone() }, Policy { monthly: 3, ..window }] {
        let (oldest, longest) = weekly(policy);
        assert!(oldest > days(60) && oldest <= longest, "{oldest:?} {longest:?}");
    }
}
