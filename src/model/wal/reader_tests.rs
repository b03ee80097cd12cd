//! The reader over WAL that `build` writes, whole and damaged.

use proptest::prelude::*;

use super::build::{SEGMENT, WalBuilder};
use super::*;
use crate::model::lsn::Lsn;
use crate::model::wal_name::Segment;

/// Reads everything from the record at which `wal` begins.
fn read(wal: &WalBuilder) -> (Vec<Record>, Result<(), Break>, End) {
    read_bytes(wal, &wal.bytes, usize::MAX)
}

fn read_bytes(wal: &WalBuilder, bytes: &[u8], chunk: usize) -> (Vec<Record>, Result<(), Break>, End) {
    let reader = WalReader::at_record(wal.identity, 1, wal.records[0]);
    drive(reader, wal, bytes, chunk)
}

fn drive(mut reader: WalReader, wal: &WalBuilder, bytes: &[u8], chunk: usize) -> (Vec<Record>, Result<(), Break>, End) {
    let mut records = Vec::new();
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(8192), 0);
    let result = padded
        .chunks(chunk.min(padded.len().max(1)))
        .try_for_each(|pages| reader.feed(wal.timeline, pages, &mut |record| records.push(record.clone())));
    (records, result, reader.end())
}

fn lsns(records: &[Record]) -> Vec<Lsn> {
    records.iter().map(|record| record.lsn).collect()
}

/// Commits, aborts, names, records of all sizes, over a bit more than one segment.
fn sample() -> WalBuilder {
    let mut wal = WalBuilder::new(15, 3);
    for i in 0..200u32 {
        wal.heap(700 + i, 37 * i as usize);
        wal.commit(700 + i, 1000 + i64::from(i));
        if i % 10 == 0 {
            wal.restore_point(&format!("point {i}"), 5);
        }
    }
    wal.heap(1, 300_000);
    wal.heap(1, 250_000);
    wal.abort(9999, 5000);
    wal
}

#[test]
fn records_are_found_across_pages_and_segments() {
    let wal = sample();
    assert!(wal.bytes.len() > SEGMENT as usize);
    for chunk in [8192, 3 * 8192, usize::MAX] {
        let (records, result, end) = read_bytes(&wal, &wal.bytes, chunk);
        assert_eq!((result, lsns(&records)), (Ok(()), wal.records.clone()));
        assert_eq!(end.last_record, wal.records.last().copied());
        assert_eq!((end.valid_to, end.tail), (wal.position(), Tail::Zeroes { at: wal.position() }));
        let commits = |outcome| {
            let is = |r: &&Record| matches!(&r.event, Some(Event::TransactionEnd(end)) if end.outcome == outcome);
            records.iter().filter(is).count()
        };
        assert_eq!((commits(Outcome::Commit), commits(Outcome::Abort)), (200, 1));
        let points = records.iter().filter(|r| matches!(&r.event, Some(Event::RestorePoint(_)))).count();
        assert_eq!(points, 20);
    }
}

#[test]
fn reading_begins_at_any_record() {
    let wal = sample();
    for (i, start) in wal.records.iter().enumerate().filter(|(_, lsn)| lsn.0 < wal.start.0 + SEGMENT).step_by(7) {
        let reader = WalReader::at_record(wal.identity, 1, *start);
        let (records, result, _) = drive(reader, &wal, &wal.bytes, 8192);
        assert_eq!((result, lsns(&records)), (Ok(()), wal.records[i..].to_vec()));
    }
    let reader = WalReader::at_record(wal.identity, 1, Lsn(wal.records[5].0 + 4));
    let (_, result, _) = drive(reader, &wal, &wal.bytes, 8192);
    assert_eq!(result.unwrap_err().reason, Reason::NotARecordStart);
    let reader = WalReader::at_record(wal.identity, 1, Lsn(wal.start.0 + 8));
    let (_, result, _) = drive(reader, &wal, &wal.bytes, 8192);
    assert_eq!(result.unwrap_err().reason, Reason::NotARecordStart);
}

#[test]
fn a_single_segment_is_read_from_its_first_own_record() {
    let mut wal = WalBuilder::new(18, 1);
    wal.fill_with_records(20_000);
    let crossing = *wal.records.last().unwrap();
    let first = wal.commit(5, 6);
    wal.switch();
    let second = &wal.bytes[SEGMENT as usize..];
    let reader = WalReader::at_segment(wal.identity, Segment { timeline: 1, number: 2 });
    let (records, result, end) = drive(reader, &wal, second, 8192);
    assert_eq!(result, Ok(()));
    assert_eq!((records[0].lsn, records[0].prev), (first, crossing));
    assert_eq!((end.tail, end.valid_to), (Tail::Complete, Lsn(3 * SEGMENT)));
    assert!(!end.residue_after_switch);
}

#[test]
fn a_segment_may_hold_nothing_but_the_middle_of_a_record() {
    let mut wal = WalBuilder::new(15, 1);
    let lsn = wal.heap(1, 3 * SEGMENT as usize);
    let segment = |n: usize| &wal.bytes[n * SEGMENT as usize..(n + 1) * SEGMENT as usize];
    let reader = WalReader::at_segment(wal.identity, Segment { timeline: 1, number: 2 });
    let (records, result, end) = drive(reader, &wal, segment(1), 8192);
    assert_eq!((records.len(), result), (0, Ok(())));
    assert!(matches!(end.tail, Tail::Continuation { missing } if missing > SEGMENT as u32));
    let (_, result, end) = read_bytes(&wal, segment(0), 8192);
    assert_eq!(result, Ok(()));
    assert!(matches!(end.tail, Tail::Incomplete { lsn: at, missing } if at == lsn && missing > 2 * SEGMENT as u32));
}

#[test]
fn a_switch_ends_the_segment() {
    let mut wal = WalBuilder::new(17, 1);
    wal.commit(1, 1);
    wal.switch();
    let after = wal.commit(2, 2);
    let (records, result, _) = read(&wal);
    assert_eq!(result, Ok(()));
    assert_eq!((records[1].end, records[2].lsn), (Lsn(2 * SEGMENT), after));
    let mut bytes = wal.bytes.clone();
    bytes[9000] = 1;
    let (_, result, end) = read_bytes(&wal, &bytes, 8192);
    assert_eq!((result, end.residue_after_switch), (Ok(()), true));
}

#[test]
fn a_new_timeline_goes_on_in_the_copy() {
    let mut wal = WalBuilder::new(16, 1);
    for i in 0..5000 {
        wal.commit(i, 1);
    }
    let switch = wal.position();
    wal.timeline = 2;
    wal.checkpoint(1);
    for i in 0..5000 {
        wal.commit(i, 2);
    }
    let (records, result, _) = read(&wal);
    assert_eq!((result, lsns(&records)), (Ok(()), wal.records.clone()));
    assert!(records.iter().any(|r| r.lsn == switch && matches!(r.event, Some(Event::Checkpoint { timeline: 2, .. }))));

    // The same pages in a file that claims to be of timeline 1.
    let mut reader = WalReader::at_record(wal.identity, 1, wal.records[0]);
    let broken = reader.feed(1, &wal.bytes[..wal.bytes.len() / 8192 * 8192], &mut |_| {}).unwrap_err();
    assert!(matches!(broken.reason, Reason::Page(PageError::Timeline { found: 2, .. })), "{broken}");
}

#[test]
fn a_timeline_that_does_not_follow_is_a_break() {
    let mut wal = WalBuilder::new(16, 1);
    wal.commit(1, 1);
    wal.timeline = 3;
    let at = wal.checkpoint(2);
    let (_, result, _) = read(&wal);
    assert_eq!(
        result.unwrap_err(),
        Break { at, reason: Reason::TimelineSwitch { timeline: 3, previous: 2, expected: 1 } }
    );
}

#[test]
fn a_record_given_up_after_a_crash_is_passed_over() {
    for major in [15, 18, 19] {
        let mut wal = WalBuilder::new(major, 1);
        wal.commit(1, 1);
        let lost = wal.lose_record(20_000);
        wal.overwrite(lost, 5);
        wal.commit(2, 2);
        let (records, result, _) = read(&wal);
        assert_eq!((result, lsns(&records)), (Ok(()), wal.records.clone()));
        let overwrite = records.iter().find_map(|r| r.event.clone().filter(|_| r.info == 0xD0)).unwrap();
        assert!(matches!(overwrite, Event::OverwriteContrecord { overwritten, .. } if overwritten == lost));
    }
}

#[test]
fn a_record_given_up_must_be_the_right_one() {
    let mut wal = WalBuilder::new(15, 1);
    wal.commit(1, 1);
    let lost = wal.lose_record(20_000);
    let at = wal.overwrite(Lsn(lost.0 + 8), 5);
    let (_, result, _) = read(&wal);
    let broken = result.unwrap_err();
    assert_eq!((broken.at, matches!(broken.reason, Reason::Overwrite { .. })), (at, true));
}

#[test]
fn the_end_tells_what_follows() {
    let mut wal = WalBuilder::new(15, 1);
    wal.commit(1, 1);
    let last = wal.position();
    wal.fill_segment();
    let (_, result, end) = read(&wal);
    assert_eq!((result, end.valid_to, end.tail), (Ok(()), last, Tail::Zeroes { at: last }));
    wal.bytes[20_000] = 1;
    let (_, result, end) = read(&wal);
    assert_eq!(result, Err(Break { at: last, reason: Reason::Zeroes }));
    assert_eq!(end.valid_to, last);
}

#[test]
fn a_hole_of_zeroes_is_a_break_where_the_record_began() {
    let wal = sample();
    let hole = 40 * 8192..41 * 8192;
    let mut bytes = wal.bytes.clone();
    bytes[hole.clone()].fill(0);
    let (records, result, end) = read_bytes(&wal, &bytes, 8192);
    let broken = result.unwrap_err();
    let at = wal.records[records.len()];
    assert!(broken.at == at || broken.at == end.valid_to, "{broken}");
    assert!(at.0 < wal.start.0 + hole.end as u64);
}

/// Every record that begins and ends before the flipped byte is handed out, none that holds it, and a break names
/// the first that cannot be read.
fn check_flip(wal: &WalBuilder, good: &[Record], position: usize, bit: u8) {
    let mut bytes = wal.bytes.clone();
    bytes[position] ^= 1 << bit;
    let (records, result, _) = read_bytes(wal, &bytes, 8192);
    let address = Lsn(wal.start.0 + position as u64);
    match result {
        Ok(()) => assert!(is_unchecked(wal, good, position), "flip at {address} bit {bit} went unnoticed"),
        Err(broken) => {
            assert!(broken.at <= address, "{broken} is behind the flip at {address}");
            assert_eq!(records[..], good[..records.len()]);
        }
    }
}

/// Bytes that neither PostgreSQL nor we look at: padding behind records and in page headers, the continuation
/// length where nothing is continued, flags that matter only to a continued record.
fn is_unchecked(wal: &WalBuilder, good: &[Record], position: usize) -> bool {
    let page = position / 8192 * 8192;
    let header = PageHeader::parse(&wal.bytes[page..]).unwrap();
    match position - page {
        16..20 => !header.begins_with_continuation(),
        20..24 | 2 => true,
        offset if offset < header.length() => false,
        _ => {
            let address = wal.start.0 + position as u64;
            good.iter().any(|r| r.end.0 > address && r.end.0 - address < 8)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_flip_is_noticed_where_it_lies(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        thread_local!(static WAL: (WalBuilder, Vec<Record>) = {
            let wal = sample();
            let records = read(&wal).0;
            (wal, records)
        });
        WAL.with(|(wal, good)| check_flip(wal, good, place.index(wal.bytes.len()), bit));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3 * 8192), at in 0u64..3 * 8192) {
        let wal = WalBuilder::new(18, 1);
        for mut reader in [
            WalReader::at_segment(wal.identity, Segment { timeline: 1, number: 1 }),
            WalReader::at_record(wal.identity, 1, Lsn(SEGMENT + at)),
        ] {
            let _ = reader.feed(1, &bytes, &mut |_| {});
            let _ = reader.end();
        }
    }

    #[test]
    fn random_bytes_behind_good_headers_never_panic(
        mut noise in proptest::collection::vec(any::<u8>(), 4 * 8192),
        lengths in proptest::collection::vec((0usize..4 * 8192 / 8, 0u32..20_000), 0..50),
    ) {
        let mut wal = WalBuilder::new(15, 1);
        wal.heap(1, 5 * 8192);
        for (place, length) in lengths {
            noise[place * 8..place * 8 + 4].copy_from_slice(&length.to_le_bytes());
        }
        for (number, page) in noise.chunks_mut(8192).enumerate() {
            let header = if number == 0 { 40 } else { 24 };
            page[..header].copy_from_slice(&wal.bytes[number * 8192..number * 8192 + header]);
            page[2] &= if number % 2 == 0 { 2 } else { 3 };
        }
        for at in [0, 40, 48, 8192 + 24, 3 * 8192] {
            let mut reader = WalReader::at_record(wal.identity, 1, Lsn(SEGMENT + at));
            let _ = reader.feed(1, &noise, &mut |_| {});
        }
    }
}
