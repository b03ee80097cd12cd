//! Which WAL an archive holds: runs of segments without a hole, per timeline.

use std::collections::BTreeMap;

use crate::model::wal_name::{Segment, SegmentName, TimelineId, WalName};

/// Consecutive segments of one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub first: u64,
    pub last: u64,
    /// Bytes of the objects as stored.
    pub stored_bytes: u64,
}

impl Run {
    pub fn segments(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// What one timeline's directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimelineWal {
    /// Ascending, never adjacent: between two runs lies a gap.
    pub runs: Vec<Run>,
    /// Its `.history` file is there.
    pub history: bool,
}

impl TimelineWal {
    /// The run that holds a segment.
    pub fn run_of(&self, number: u64) -> Option<&Run> {
        let at = self.runs.partition_point(|run| run.last < number);
        self.runs.get(at).filter(|run| run.first <= number)
    }

    /// Missing segments before each run but the first.
    pub fn gaps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.runs.windows(2).map(|pair| (pair[0].last + 1, pair[1].first - 1))
    }
}

/// All WAL of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedWal {
    pub segment_size: u64,
    pub timelines: BTreeMap<TimelineId, TimelineWal>,
}

impl ArchivedWal {
    /// From names in any order with their stored sizes. Names that cannot exist with this segment size
    /// are nobody's and left out.
    pub fn new(segment_size: u64, names: impl IntoIterator<Item = (WalName, u64)>) -> ArchivedWal {
        let mut numbers: BTreeMap<TimelineId, Vec<(u64, u64)>> = BTreeMap::new();
        let mut timelines: BTreeMap<TimelineId, TimelineWal> = BTreeMap::new();
        for (name, size) in names {
            match name {
                WalName::Segment(name) => {
                    let segment = name.to_segment(segment_size);
                    numbers.entry(name.timeline).or_default().extend(segment.map(|s| (s.number, size)));
                }
                WalName::History(timeline) => timelines.entry(timeline).or_default().history = true,
                WalName::Partial(_) | WalName::BackupHistory(..) => {}
            }
        }
        for (timeline, mut numbers) in numbers {
            numbers.sort_unstable();
            timelines.entry(timeline).or_default().runs = runs(&numbers);
        }
        ArchivedWal { segment_size, timelines }
    }

    pub fn holds(&self, segment: Segment) -> bool {
        self.timelines.get(&segment.timeline).is_some_and(|wal| wal.run_of(segment.number).is_some())
    }

    /// The newest segment of any of the timelines.
    pub fn last_number(&self, timelines: impl IntoIterator<Item = TimelineId>) -> Option<u64> {
        timelines.into_iter().filter_map(|t| self.timelines.get(&t)?.runs.last().map(|run| run.last)).max()
    }

    pub fn name(&self, timeline: TimelineId, number: u64) -> SegmentName {
        Segment { timeline, number }.name(self.segment_size)
    }
}

fn runs(sorted: &[(u64, u64)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &(number, size) in sorted {
        match runs.last_mut() {
            Some(run) if run.last + 1 == number => {
                run.last = number;
                run.stored_bytes += size;
            }
            Some(run) if run.last == number => {}
            _ => runs.push(Run { first: number, last: number, stored_bytes: size }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(names: &[&str]) -> ArchivedWal {
        ArchivedWal::new(1 << 24, names.iter().map(|name| (name.parse().unwrap(), 10)))
    }

    #[test]
    fn runs_end_at_holes() {
        let archive = archive(&[
            "000000010000000000000003",
            "000000010000000000000001",
            "000000010000000000000002",
            "000000010000000000000005",
            "000000020000000000000005",
            "000000010000000000000006.partial",
            "00000002.history",
        ]);
        let first = &archive.timelines[&1];
        assert_eq!(
            first.runs.iter().map(|r| (r.first, r.last, r.stored_bytes)).collect::<Vec<_>>(),
            [(1, 3, 30), (5, 5, 10)]
        );
        assert_eq!(first.gaps().collect::<Vec<_>>(), [(4, 4)]);
        assert!(archive.timelines[&2].history && !first.history);
        assert!(archive.holds(Segment { timeline: 1, number: 2 }));
        assert!(!archive.holds(Segment { timeline: 1, number: 4 }));
        assert!(!archive.holds(Segment { timeline: 3, number: 1 }));
        assert_eq!(archive.last_number([1, 2]), Some(5));
    }

    #[test]
    fn runs_cross_the_boundary_of_a_log() {
        let archive = archive(&["0000000100000000000000FF", "000000010000000100000000"]);
        assert_eq!(archive.timelines[&1].runs.len(), 1);
    }
}
