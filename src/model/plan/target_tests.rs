//! Stop points over WAL that the test builder writes.

use super::target::{Reach, Side, StopPoint, Target, TargetSearch, Unreachable, Verdict};
use crate::model::lsn::Lsn;
use crate::model::timestamp::TimestampTz;
use crate::model::wal::build::WalBuilder;
use crate::model::wal::{Record, WalReader};

fn records(wal: &WalBuilder) -> Vec<Record> {
    let mut records = Vec::new();
    let mut bytes = wal.bytes.clone();
    bytes.resize(bytes.len().next_multiple_of(8192), 0);
    let mut reader = WalReader::at_record(wal.identity, 1, wal.records[0]);
    reader.feed(1, &bytes, &mut |record| records.push(record.clone())).unwrap();
    records
}

fn search(wal: &WalBuilder, target: Target, consistent_at: Lsn) -> (Verdict, Reach) {
    let mut search = TargetSearch::new(target, wal.records[0], consistent_at);
    records(wal).iter().for_each(|record| search.observe(record));
    search.finish()
}

fn stop(wal: &WalBuilder, target: Target) -> StopPoint {
    match search(wal, target, wal.records[1]) {
        (Verdict::Stops(stop), _) => stop,
        (other, _) => panic!("{other:?}"),
    }
}

fn time(at: i64, inclusive: bool) -> Target {
    Target::Time { at: TimestampTz(at), inclusive }
}

/// Number of the record at which it stops, and on which side.
fn place(wal: &WalBuilder, target: Target) -> (usize, Side) {
    let stop = stop(wal, target);
    let number = wal.records.iter().position(|lsn| *lsn == stop.record).unwrap();
    let applied = number + usize::from(stop.side == Side::After);
    assert_eq!(stop.applied_to, records(wal)[applied - 1].end);
    (number, stop.side)
}

/// 0 and 1 belong to the backup; 2 xid 10 at 100; 3 xid 11 aborts at 90; 4 xid 12 at 100; 5 the name "here";
/// 6 xid 13 at 200; 7 "here" again; 8 xid 14 writes.
fn sample() -> WalBuilder {
    let mut wal = WalBuilder::new(15, 1);
    wal.heap(9, 100);
    wal.heap(9, 100);
    wal.commit(10, 100);
    wal.abort(11, 90);
    wal.commit(12, 100);
    wal.restore_point("here", 150);
    wal.commit(13, 200);
    wal.restore_point("here", 250);
    wal.heap(14, 10);
    wal
}

#[test]
fn a_time_stops_before_the_first_transaction_that_is_later() {
    let wal = sample();
    assert_eq!(place(&wal, time(100, true)), (6, Side::Before));
    assert_eq!(place(&wal, time(100, false)), (2, Side::Before));
    assert_eq!(place(&wal, time(99, true)), (2, Side::Before));
    assert_eq!(place(&wal, time(101, false)), (6, Side::Before));
    assert_eq!(place(&wal, time(90, false)), (2, Side::Before));
    assert_eq!(stop(&wal, time(199, true)).transaction.unwrap().xid, 13);
}

#[test]
fn a_time_without_a_later_transaction_is_unreachable() {
    let wal = sample();
    let (verdict, reach) = search(&wal, time(200, true), wal.records[1]);
    assert_eq!(verdict, Verdict::Unreachable(Unreachable::NoLaterTransaction));
    assert_eq!(reach.greatest_time, Some((TimestampTz(200), wal.records[6])));
    for inclusive in [true, false] {
        let latest = reach.latest_time_target(inclusive).unwrap();
        assert_eq!(place(&wal, Target::Time { at: latest, inclusive }).0, 6);
        let beyond = search(&wal, time(latest.0 + 1, inclusive), wal.records[1]).0;
        assert_eq!(beyond, Verdict::Unreachable(Unreachable::NoLaterTransaction));
    }
    assert_eq!(place(&wal, time(200, false)), (6, Side::Before));
}

#[test]
fn an_xid_stops_at_its_own_end() {
    let wal = sample();
    let xid = |xid, inclusive| Target::Xid { xid, inclusive };
    assert_eq!(place(&wal, xid(11, true)), (3, Side::After));
    assert_eq!(place(&wal, xid(11, false)), (3, Side::Before));
    let unreachable = |target| search(&wal, target, wal.records[1]).0;
    assert_eq!(unreachable(xid(14, true)), Verdict::Unreachable(Unreachable::XidNotEnded));
    assert_eq!(unreachable(xid(15, false)), Verdict::Unreachable(Unreachable::XidUnknown));
}

#[test]
fn an_lsn_stops_at_the_first_record_that_begins_there_or_behind() {
    let wal = sample();
    let lsn = |at, inclusive| Target::Lsn { at, inclusive };
    assert_eq!(place(&wal, lsn(wal.records[4], true)), (4, Side::After));
    assert_eq!(place(&wal, lsn(wal.records[4], false)), (4, Side::Before));
    assert_eq!(place(&wal, lsn(Lsn(wal.records[4].0 - 1), false)), (4, Side::Before));
    let beyond = search(&wal, lsn(Lsn(wal.records[8].0 + 1), true), wal.records[1]).0;
    assert_eq!(beyond, Verdict::Unreachable(Unreachable::BeyondEnd));
}

#[test]
fn a_name_stops_at_its_first_use_and_others_are_counted() {
    let wal = sample();
    assert_eq!(place(&wal, Target::Name("here".into())), (5, Side::After));
    let (_, reach) = search(&wal, Target::Name("here".into()), wal.records[1]);
    assert_eq!((reach.same_name, reach.restore_points.len()), (2, 2));
    let (verdict, reach) = search(&wal, Target::Name("there".into()), wal.records[1]);
    assert_eq!(verdict, Verdict::Unreachable(Unreachable::NameUnknown));
    assert_eq!(reach.same_name, 0);
}

#[test]
fn immediate_stops_at_the_record_after_consistency() {
    let wal = sample();
    let ends: Vec<_> = records(&wal).iter().map(|record| record.end).collect();
    let found = |consistent_at| match search(&wal, Target::Immediate, consistent_at).0 {
        Verdict::Stops(stop) => (stop.record, stop.side),
        other => panic!("{other:?}"),
    };
    assert_eq!(found(ends[1]), (wal.records[2], Side::Before));
    assert_eq!(found(ends[2]), (wal.records[2], Side::After), "a commit that makes it consistent");
    assert_eq!(found(ends[5]), (wal.records[6], Side::Before));
    let last = search(&wal, Target::Immediate, ends[8]).0;
    assert_eq!(last, Verdict::Unreachable(Unreachable::NothingFollows));
}

#[test]
fn a_target_within_the_backup_is_refused() {
    let wal = sample();
    let consistent_at = records(&wal)[4].end;
    for target in
        [time(99, true), Target::Xid { xid: 11, inclusive: true }, Target::Lsn { at: Lsn(1), inclusive: true }]
    {
        let (verdict, _) = search(&wal, target, consistent_at);
        assert!(matches!(verdict, Verdict::BeforeConsistency(_)), "{verdict:?}");
    }
    // The record with which the copy becomes consistent can be stopped behind, not before.
    let xid = |inclusive| search(&wal, Target::Xid { xid: 12, inclusive }, consistent_at).0;
    assert!(matches!((xid(true), xid(false)), (Verdict::Stops(_), Verdict::BeforeConsistency(_))));
}

#[test]
fn wal_that_ends_too_early_is_refused_for_every_target() {
    let wal = sample();
    let beyond = Lsn(wal.position().0 + 8);
    for target in [Target::Latest, Target::Immediate, Target::Name("there".into())] {
        assert_eq!(search(&wal, target, beyond).0, Verdict::Unreachable(Unreachable::EndsBeforeConsistency));
    }
    assert_eq!(search(&wal, Target::Latest, wal.records[8]).0, Verdict::ReadsAll);
}

#[test]
fn minimal_wal_is_a_wall() {
    let mut wal = sample();
    let parameters = |wal_level: i32| [100i32, 8, 10, 5, 64, wal_level].map(i32::to_le_bytes).concat();
    wal.record(0, 0x60, 0, &parameters(1));
    let at = wal.record(0, 0x60, 0, &parameters(0));
    wal.commit(20, 900);
    let (verdict, reach) = search(&wal, Target::Latest, wal.records[1]);
    assert_eq!(verdict, Verdict::Unreachable(Unreachable::MinimalWal { at }));
    assert_eq!(reach.parameters.unwrap().max_connections, 100);
    assert_eq!(place(&wal, time(100, true)), (6, Side::Before));
}

#[test]
fn tablespaces_that_replay_makes_are_told_up_to_the_stop() {
    let mut wal = sample();
    let create = |oid: u32, location: &str| [&oid.to_le_bytes()[..], location.as_bytes(), &[0]].concat();
    let at = wal.record(5, 0x00, 20, &create(16400, "/srv/fast"));
    wal.record(5, 0x10, 20, &16400u32.to_le_bytes());
    wal.restore_point("made", 300);
    wal.record(5, 0x00, 21, &create(16401, ""));
    let (_, reach) = search(&wal, Target::Name("made".into()), wal.records[1]);
    let made: Vec<_> = reach.tablespaces.iter().map(|(lsn, t)| (*lsn, t.oid, t.location.as_slice())).collect();
    assert_eq!(made, [(at, 16400, b"/srv/fast".as_slice())]);
}
