//! One segment on its own, as `wal push` sees it.

use super::broken::{Break, End, Reason, Tail};
use super::event::{Event, RestorePoint};
use super::page::{PageError, WalIdentity};
use super::reader::{Record, WalReader};
use crate::model::lsn::Lsn;
use crate::model::timestamp::TimestampTz;
use crate::model::wal_name::{Segment, TimelineId};

/// More restore points than these are counted, not listed.
pub const MAX_RESTORE_POINTS: usize = 1000;

/// What a segment holds, and how far it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentScan {
    pub segment: Segment,
    /// Complete records that begin in the segment.
    pub records: u64,
    /// Smallest and greatest time of a commit or abort. Times are not in order in WAL.
    pub times: Option<Times>,
    pub restore_points: Vec<(Lsn, RestorePoint)>,
    pub restore_point_count: u64,
    pub first_record: Option<FirstRecord>,
    /// How many bytes of an earlier record the segment begins with, page headers not counted.
    pub continuation: u32,
    pub end: End,
    /// Recovery would end here. A segment that is not full is broken where its zeroes begin; for the `.partial`
    /// segment of an old timeline a break is what is to be expected.
    pub broken: Option<Break>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstRecord {
    pub lsn: Lsn,
    /// The last record that begins before the segment.
    pub prev: Lsn,
}

/// The span between the smallest and the greatest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub least: TimestampTz,
    pub greatest: TimestampTz,
}

impl Times {
    pub fn include(times: &mut Option<Times>, time: TimestampTz) {
        let Times { least, greatest } = times.unwrap_or(Times { least: time, greatest: time });
        *times = Some(Times { least: least.min(time), greatest: greatest.max(time) });
    }
}

impl SegmentScan {
    /// Where the record begins that crosses into the segment, if one does: it can be checked with [`Crossing`].
    pub fn crossing(&self) -> Option<Lsn> {
        self.first_record.filter(|_| self.continuation > 0).map(|first| first.prev)
    }

    /// Takes in what [`Crossing`] found out about the record that crosses into the segment.
    pub fn add_crossing(&mut self, found: Result<Record, Break>, segment_size: u64) {
        match found {
            // The record before one that was given up after a crash ends in an earlier segment and counts there.
            Ok(record) if record.end > self.segment.start(segment_size) => self.include(&record),
            Ok(_) => {}
            Err(broken) => self.broken = Some(broken),
        }
    }

    fn include(&mut self, record: &Record) {
        match &record.event {
            Some(Event::TransactionEnd(end)) => Times::include(&mut self.times, end.time),
            Some(Event::RestorePoint(point)) => {
                self.restore_point_count += 1;
                if self.restore_points.len() < MAX_RESTORE_POINTS {
                    self.restore_points.push((record.lsn, point.clone()));
                }
            }
            _ => {}
        }
    }
}

/// Scans a segment as its pages come.
#[derive(Debug)]
pub struct SegmentScanner {
    reader: WalReader,
    end_of_segment: Lsn,
    scan: SegmentScan,
}

impl SegmentScanner {
    pub fn new(identity: WalIdentity, segment: Segment) -> SegmentScanner {
        let reader = WalReader::at_segment(identity, segment);
        let scan = SegmentScan {
            segment,
            records: 0,
            times: None,
            restore_points: Vec::new(),
            restore_point_count: 0,
            first_record: None,
            continuation: 0,
            end: reader.end(),
            broken: None,
        };
        SegmentScanner { reader, end_of_segment: segment.end(identity.segment_size), scan }
    }

    /// The next whole pages of the file. Behind a break nothing is read any more.
    pub fn feed(&mut self, pages: &[u8]) {
        let scan = &mut self.scan;
        if scan.broken.is_some() {
            return;
        }
        let timeline = scan.segment.timeline;
        let fed = self.reader.feed(timeline, pages, &mut |record| {
            scan.records += 1;
            scan.first_record.get_or_insert(FirstRecord { lsn: record.lsn, prev: record.prev });
            if record.event.is_some() {
                scan.include(record);
            }
        });
        self.scan.broken = fed.err();
    }

    pub fn finish(mut self) -> SegmentScan {
        self.scan.end = self.reader.end();
        self.scan.continuation = self.reader.continuation();
        let missing = self.end_of_segment.0.saturating_sub(self.reader.position().0);
        self.scan.broken = self.scan.broken.or(match self.scan.end.tail {
            _ if missing > 0 => Some(Break { at: self.scan.end.valid_to, reason: PageError::Short(0).into() }),
            Tail::Zeroes { at } => Some(Break { at, reason: Reason::ZeroTail }),
            _ => None,
        });
        self.scan
    }
}

/// Scans a segment that is in memory as a whole.
pub fn scan_segment(identity: WalIdentity, segment: Segment, bytes: &[u8]) -> SegmentScan {
    let mut scanner = SegmentScanner::new(identity, segment);
    scanner.feed(bytes);
    scanner.finish()
}

/// Checks one record that crosses from an earlier segment into another. It is fed the earlier segments' pages from
/// [`Crossing::position`] on, then the later one's, until it has the record.
#[derive(Debug)]
pub struct Crossing {
    reader: WalReader,
    record: Option<Record>,
}

impl Crossing {
    pub fn new(identity: WalIdentity, block_size: u32, start: Lsn) -> Crossing {
        Crossing { reader: WalReader::at_page_of(identity, block_size, start), record: None }
    }

    /// Address of the next page it wants; at first the page on which the record begins.
    pub fn position(&self) -> Lsn {
        self.reader.position()
    }

    pub fn feed(&mut self, timeline: TimelineId, pages: &[u8]) -> Result<Option<Record>, Break> {
        let record = &mut self.record;
        let fed = self.reader.feed(timeline, pages, &mut |found| _ = record.get_or_insert_with(|| found.clone()));
        match (&self.record, fed) {
            (Some(record), _) => Ok(Some(record.clone())),
            (None, fed) => fed.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::{SEGMENT, WalBuilder};
    use super::*;

    fn segment(number: u64) -> Segment {
        Segment { timeline: 1, number }
    }

    fn bytes_of(wal: &WalBuilder, number: u64) -> &[u8] {
        let start = (number * SEGMENT - wal.start.0) as usize;
        &wal.bytes[start..start + SEGMENT as usize]
    }

    #[test]
    fn times_are_those_of_commits_and_aborts() {
        let mut wal = WalBuilder::new(15, 1);
        for (xid, time) in [(1, 50), (2, 20), (3, 30)] {
            wal.commit(xid, time);
        }
        wal.abort(4, 70);
        let point = wal.restore_point("before the deploy", 900);
        wal.switch();
        let scan = scan_segment(wal.identity, segment(1), bytes_of(&wal, 1));
        assert_eq!(scan.times, Some(Times { least: TimestampTz(20), greatest: TimestampTz(70) }));
        assert_eq!(
            (scan.restore_points[0].0, scan.restore_points[0].1.name_lossy().as_str()),
            (point, "before the deploy")
        );
        assert_eq!((scan.records, scan.broken.clone(), scan.continuation), (6, None, 0));
        assert_eq!(scan.crossing(), None);
    }

    #[test]
    fn a_segment_that_is_not_full_is_broken_at_its_zeroes() {
        let mut wal = WalBuilder::new(15, 1);
        wal.commit(1, 1);
        let at = wal.position();
        wal.fill_segment();
        let scan = scan_segment(wal.identity, segment(1), bytes_of(&wal, 1));
        assert_eq!(scan.broken, Some(Break { at, reason: Reason::ZeroTail }));
        let short = scan_segment(wal.identity, segment(1), &wal.bytes[..8192]);
        assert_eq!(short.broken.map(|broken| broken.at), Some(at));
        let empty = scan_segment(wal.identity, segment(1), &vec![0; SEGMENT as usize]);
        assert_eq!(empty.broken, Some(Break { at: Lsn(SEGMENT), reason: Reason::ZeroTail }));
    }

    #[test]
    fn a_segment_of_another_place_is_broken_from_its_start() {
        let mut wal = WalBuilder::new(15, 2);
        wal.commit(1, 1);
        wal.switch();
        let scan = scan_segment(wal.identity, segment(3), bytes_of(&wal, 2));
        let broken = scan.broken.unwrap();
        assert_eq!(broken.at, Lsn(3 * SEGMENT));
        assert!(matches!(broken.reason, Reason::Page(PageError::Address { .. })));
    }

    /// A commit that crosses from segment 1 into segment 2.
    fn crossing_commit() -> WalBuilder {
        let mut wal = WalBuilder::new(15, 1);
        wal.fill_with_records(0);
        while wal.bytes.len() > SEGMENT as usize - 64 {
            wal.bytes.truncate(wal.records.pop().unwrap().0 as usize - SEGMENT as usize);
        }
        wal.prev = *wal.records.last().unwrap();
        let mut data = 77i64.to_le_bytes().to_vec();
        data.resize(20_000, 0);
        wal.record(1, 0x00, 5, &data);
        wal.commit(6, 10);
        wal.switch();
        wal
    }

    fn cross(wal: &WalBuilder) -> (SegmentScan, Result<Record, Break>) {
        let scan = scan_segment(wal.identity, segment(2), bytes_of(wal, 2));
        let mut crossing = Crossing::new(wal.identity, 8192, scan.crossing().unwrap());
        let skipped = (crossing.position().0 - SEGMENT) as usize;
        let found = match crossing.feed(1, &bytes_of(wal, 1)[skipped..]) {
            Ok(None) => crossing.feed(1, bytes_of(wal, 2)).map(Option::unwrap),
            other => other.map(Option::unwrap),
        };
        (scan, found)
    }

    #[test]
    fn the_record_that_crosses_in_is_checked_with_the_segment_before() {
        let wal = crossing_commit();
        let (mut scan, found) = cross(&wal);
        assert_eq!(scan.times.unwrap().greatest, TimestampTz(10));
        scan.add_crossing(found, SEGMENT);
        assert_eq!((scan.times.unwrap().greatest, scan.broken), (TimestampTz(77), None));
    }

    #[test]
    fn damage_on_either_side_of_the_boundary_breaks_at_the_record() {
        for offset in [SEGMENT as usize - 20, SEGMENT as usize + 9000] {
            let mut wal = crossing_commit();
            wal.bytes[offset] ^= 4;
            let (mut scan, found) = cross(&wal);
            let at = scan.crossing().unwrap();
            assert_eq!(scan.broken, None);
            scan.add_crossing(found, SEGMENT);
            let broken = scan.broken.unwrap();
            assert_eq!((broken.at, matches!(broken.reason, Reason::Checksum { .. })), (at, true));
            assert!(broken.at < scan.segment.start(SEGMENT));
        }
    }
}
