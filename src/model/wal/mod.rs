//! The write-ahead log, read without any input or output: pages, records, and what some records say.
//!
//! [`reader::WalReader`] takes pages as they come and checks what PostgreSQL's own reader checks
//! (`XLogDecodeNextRecord` in `xlogreader.c`): page headers, record headers, the link from each record to
//! the one before, the CRC of every record, across pages, segments and timelines. Where PostgreSQL
//! would stop reading, it says so with a [`broken::Break`].
//!
//! WAL has the byte order of the host that wrote it; little-endian hosts are supported and no others.

mod bytes;
mod chain;
mod pending;

pub mod broken;
pub mod event;
pub mod format;
pub mod page;
pub mod reader;
pub mod record;
pub mod segment;
pub mod xact;

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod reader_tests;

pub use broken::{Break, End, Reason, Tail};
pub use event::{Event, RestorePoint};
pub use format::WalFormat;
pub use page::{LongHeader, PageError, PageHeader, WalIdentity};
pub use reader::{Record, WalReader};
pub use segment::{Crossing, SegmentScan, SegmentScanner, Times, scan_segment};
pub use xact::{Outcome, TransactionEnd};

/// Records begin at multiples of this (`MAXALIGN` on every 64-bit platform).
pub const MAX_ALIGN: usize = 8;

/// `length` rounded up to a multiple of [`MAX_ALIGN`].
pub(crate) const fn max_align(length: usize) -> usize {
    (length + MAX_ALIGN - 1) & !(MAX_ALIGN - 1)
}
