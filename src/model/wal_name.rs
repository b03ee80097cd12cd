//! Names of files in `pg_wal`, as `archive_command` and `restore_command` hand them over in `%f`
//! (PostgreSQL: `XLogFileName`, `TLHistoryFileName`, `BackupHistoryFileName`, `IsPartialXLogFileName`).

use std::fmt;
use std::str::FromStr;

use super::lsn::Lsn;

/// A timeline of the cluster; 1 after initdb, never 0.
pub type TimelineId = u32;

/// Smallest and greatest `wal_segment_size` in bytes (`IsValidWalSegSize`).
pub const MIN_SEGMENT_SIZE: u64 = 1 << 20;
pub const MAX_SEGMENT_SIZE: u64 = 1 << 30;

/// One WAL segment: timeline and number of the segment within the whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Segment {
    pub timeline: TimelineId,
    pub number: u64,
}

impl Segment {
    /// The segment that holds `lsn`.
    pub fn containing(timeline: TimelineId, lsn: Lsn, segment_size: u64) -> Segment {
        Segment { timeline, number: lsn.0 / segment_size }
    }

    /// The last segment needed for all bytes before `end`: `(end - 1) / segment size`. Computed here and
    /// never asked of the server, because `pg_walfile_name` changed at the boundary in PostgreSQL 17.
    pub fn before(timeline: TimelineId, end: Lsn, segment_size: u64) -> Segment {
        Segment { timeline, number: end.0.saturating_sub(1) / segment_size }
    }

    pub fn start(self, segment_size: u64) -> Lsn {
        Lsn(self.number * segment_size)
    }

    pub fn end(self, segment_size: u64) -> Lsn {
        Lsn((self.number + 1) * segment_size)
    }

    pub fn next(self) -> Segment {
        Segment { number: self.number + 1, ..self }
    }

    /// The 24 hexadecimal digits, which depend on the segment size.
    pub fn name(self, segment_size: u64) -> SegmentName {
        let per_log = (1u64 << 32) / segment_size;
        SegmentName {
            timeline: self.timeline,
            log: (self.number / per_log) as u32,
            segment: (self.number % per_log) as u32,
        }
    }
}

/// The three numbers in a segment's file name. Unlike [`Segment`] it needs no segment size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName {
    pub timeline: TimelineId,
    pub log: u32,
    pub segment: u32,
}

impl SegmentName {
    /// `None` where the name cannot exist with this segment size.
    pub fn to_segment(self, segment_size: u64) -> Option<Segment> {
        let per_log = (1u64 << 32) / segment_size;
        let fits = u64::from(self.segment) < per_log;
        fits.then(|| Segment {
            timeline: self.timeline,
            number: u64::from(self.log) * per_log + u64::from(self.segment),
        })
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:08X}{:08X}", self.timeline, self.log, self.segment)
    }
}

/// Every file that PostgreSQL archives or asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WalName {
    Segment(SegmentName),
    /// The last segment of a timeline that ended by promotion; never served as the segment.
    Partial(SegmentName),
    /// `<segment>.<offset of the start location>.backup`
    BackupHistory(SegmentName, u32),
    History(TimelineId),
}

impl WalName {
    pub fn timeline(&self) -> TimelineId {
        match self {
            WalName::Segment(s) | WalName::Partial(s) | WalName::BackupHistory(s, _) => s.timeline,
            WalName::History(timeline) => *timeline,
        }
    }
}

impl fmt::Display for WalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalName::Segment(segment) => write!(f, "{segment}"),
            WalName::Partial(segment) => write!(f, "{segment}.partial"),
            WalName::BackupHistory(segment, offset) => write!(f, "{segment}.{offset:08X}.backup"),
            WalName::History(timeline) => write!(f, "{timeline:08X}.history"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not the name of a WAL segment, .history, .backup or .partial file")]
pub struct InvalidWalName(pub String);

impl FromStr for WalName {
    type Err = InvalidWalName;

    fn from_str(text: &str) -> Result<Self, InvalidWalName> {
        parse(text).ok_or_else(|| InvalidWalName(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<WalName> {
    if let Some(digits) = text.strip_suffix(".history") {
        return hex8(digits).filter(|timeline| *timeline != 0).map(WalName::History);
    }
    let (digits, rest) = text.split_at_checked(24)?;
    let name = SegmentName { timeline: hex8(&digits[..8])?, log: hex8(&digits[8..16])?, segment: hex8(&digits[16..])? };
    let name = (name.timeline != 0).then_some(name)?;
    match rest {
        "" => Some(WalName::Segment(name)),
        ".partial" => Some(WalName::Partial(name)),
        _ => {
            let offset = rest.strip_prefix('.')?.strip_suffix(".backup")?;
            Some(WalName::BackupHistory(name, hex8(offset)?))
        }
    }
}

/// Exactly eight upper-case hexadecimal digits, the only form PostgreSQL writes.
pub(super) fn hex8(digits: &str) -> Option<u32> {
    let upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    (digits.len() == 8 && digits.bytes().all(upper)).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_a_round_trip() {
        for text in [
            "000000010000000000000001",
            "0000000A000000FF000000FE.partial",
            "000000010000000000000002.00000028.backup",
            "00000002.history",
        ] {
            assert_eq!(text.parse::<WalName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "",
            "00000000.history",
            "0000000a000000000000000b",
            "00000001000000000000000",
            "000000010000000000000001.tmp",
            "000000000000000000000001",
            "000000010000000000000002.28.backup",
            "../000000010000000000000001",
            "xlogtemp.123",
        ] {
            assert!(text.parse::<WalName>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_follow_the_segment_size() {
        let lsn: Lsn = "1/2000028".parse().unwrap();
        for (size, name) in [
            (1 << 20, "000000030000000100000020"),
            (1 << 24, "000000030000000100000002"),
            (1 << 30, "000000030000000100000000"),
        ] {
            let segment = Segment::containing(3, lsn, size);
            assert_eq!(segment.name(size).to_string(), name);
            assert_eq!(segment.name(size).to_segment(size), Some(segment));
            assert!(segment.start(size) <= lsn && lsn < segment.end(size));
        }
    }

    #[test]
    fn an_end_on_the_boundary_belongs_to_the_segment_before() {
        assert_eq!(Segment::before(1, Lsn(2 << 24), 1 << 24).number, 1);
        assert_eq!(Segment::before(1, Lsn((2 << 24) + 1), 1 << 24).number, 2);
    }
}
