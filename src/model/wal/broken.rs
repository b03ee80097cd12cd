//! How far WAL can be read, and why not further.

use super::page::PageError;
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;

/// How far the pages read so far are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// End of the last good record; at first, where reading began.
    pub valid_to: Lsn,
    /// Beginning of the last good record.
    pub last_record: Option<Lsn>,
    pub tail: Tail,
    /// Something other than zeroes follows a switch record in its segment. PostgreSQL never looks there.
    pub residue_after_switch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// The last record ends with the last page, or is a switch.
    Complete,
    /// The record that begins at `lsn` needs `missing` more bytes.
    Incomplete { lsn: Lsn, missing: u32 },
    /// No record begins in these pages: they hold a part of one that began before them.
    Continuation { missing: u32 },
    /// From `at` on there is no complete record, and from the next one's place on there are only zeroes.
    Zeroes { at: Lsn },
    /// The pages end before the place where reading was to begin.
    NotBegun,
}

/// PostgreSQL would read no record at `at` and end recovery before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no valid WAL record at {at}: {reason}")]
pub struct Break {
    /// Where the record begins that cannot be read: everything before is good. May lie before the segment in
    /// which the damage was met, as records cross from one segment to the next.
    pub at: Lsn,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("{0}")]
    Page(#[from] PageError),
    #[error("zeroes where a record should begin, though more follows")]
    Zeroes,
    #[error("zeroes up to the end of the segment where a record should begin")]
    ZeroTail,
    #[error("no record can begin here")]
    NotARecordStart,
    #[error("record length is {found}, expected 24 to {greatest}")]
    Length { found: u32, greatest: u32 },
    #[error("resource manager {0} does not exist")]
    ResourceManager(u8),
    #[error("the record links back to {found}, not to {expected}")]
    PrevLink { found: Lsn, expected: Lsn },
    #[error("the record links back to {0}, which does not lie before it")]
    PrevNotBefore(Lsn),
    #[error("checksum is {computed:08X}, the record says {stored:08X}")]
    Checksum { stored: u32, computed: u32 },
    #[error("the rest of the record is missing from the next page")]
    NoContinuation,
    #[error("the next page holds {found} bytes of the record's rest, expected {expected}")]
    ContinuationLength { found: u32, expected: u32 },
    #[error("the page begins with the rest of another record")]
    UnexpectedContinuation,
    #[error("record was given up at {found}, the log says at {expected}")]
    Overwrite { found: Lsn, expected: Lsn },
    #[error("the record is too short for what it announces")]
    Malformed,
    #[error("timeline {timeline} continues timeline {previous}, expected {expected}")]
    TimelineSwitch { timeline: TimelineId, previous: TimelineId, expected: TimelineId },
}
