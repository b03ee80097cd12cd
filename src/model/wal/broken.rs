//! Where WAL cannot be read further, and why.

use super::page::PageError;
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;

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
