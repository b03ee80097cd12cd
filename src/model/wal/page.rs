//! Headers of WAL pages (`XLogPageHeaderData`, `XLogLongPageHeaderData` in `xlog_internal.h`).

use super::bytes::Fields;
use super::format::WalFormat;
use crate::model::lsn::Lsn;
use crate::model::wal_name::{MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE, TimelineId};

/// Length of the header of most pages (`SizeOfXLogShortPHD`).
pub const SHORT_HEADER: usize = 24;
/// Length of the header of each segment's first page (`SizeOfXLogLongPHD`).
pub const LONG_HEADER: usize = 40;
/// WAL block sizes that PostgreSQL can be built with.
pub const MIN_BLOCK_SIZE: u32 = 1 << 10;
pub const MAX_BLOCK_SIZE: u32 = 1 << 16;

/// `XLP_FIRST_IS_CONTRECORD`: the page begins with the rest of a record.
pub const FIRST_IS_CONTRECORD: u16 = 0x0001;
/// `XLP_LONG_HEADER`
pub const LONG_HEADER_FLAG: u16 = 0x0002;

/// The header of one page, as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    pub magic: u16,
    pub info: u16,
    /// Timeline of the first record that begins on the page.
    pub timeline: TimelineId,
    pub address: Lsn,
    /// How many bytes of a record from earlier pages are still to come, from here on.
    pub remaining: u32,
    pub long: Option<LongHeader>,
}

/// What only the first page of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongHeader {
    pub system_identifier: u64,
    pub segment_size: u32,
    pub block_size: u32,
}

impl PageHeader {
    /// `None` where `page` is shorter than its header.
    pub fn parse(page: &[u8]) -> Option<PageHeader> {
        let mut fields = Fields(page);
        let mut header = PageHeader {
            magic: fields.u16()?,
            info: fields.u16()?,
            timeline: fields.u32()?,
            address: Lsn(fields.u64()?),
            remaining: fields.u32()?,
            long: None,
        };
        let _alignment = fields.take(SHORT_HEADER - 20)?;
        if header.info & LONG_HEADER_FLAG != 0 {
            header.long = Some(LongHeader {
                system_identifier: fields.u64()?,
                segment_size: fields.u32()?,
                block_size: fields.u32()?,
            });
        }
        Some(header)
    }

    /// Where the first record, or the rest of one, begins on the page.
    pub fn length(&self) -> usize {
        if self.long.is_some() { LONG_HEADER } else { SHORT_HEADER }
    }

    pub fn begins_with_continuation(&self) -> bool {
        self.info & FIRST_IS_CONTRECORD != 0
    }

    /// The record that the page before began was given up after a crash; another one begins here.
    pub fn overwrites_continuation(&self, format: &WalFormat) -> bool {
        self.info & format.overwrite_flag != 0
    }
}

/// What every page of a cluster's WAL has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalIdentity {
    pub format: WalFormat,
    /// `None` accepts any cluster's.
    pub system_identifier: Option<u64>,
    pub segment_size: u64,
}

/// Why a page cannot be the one that belongs at its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("the page is cut off after {0} bytes")]
    Short(usize),
    #[error("page magic is {found:04X}, PostgreSQL {major} writes {expected:04X}")]
    Magic { found: u16, expected: u16, major: u32 },
    #[error("page flags are {0:04X}, not all of which are known")]
    Flags(u16),
    #[error("the first page of a segment lacks its long header")]
    NoLongHeader,
    #[error("system identifier is {found}, expected {expected}")]
    SystemIdentifier { found: u64, expected: u64 },
    #[error("WAL segment size is {found}, expected {expected}")]
    SegmentSize { found: u32, expected: u64 },
    #[error("WAL block size is {found}, expected {expected}")]
    BlockSize { found: u32, expected: u32 },
    #[error("page address is {found}, expected {expected}")]
    Address { found: Lsn, expected: Lsn },
    #[error("page belongs to timeline {found}, expected {least} to {greatest}")]
    Timeline { found: TimelineId, least: TimelineId, greatest: TimelineId },
}

impl WalIdentity {
    /// Checks the page at `address`, in the order of `XLogReaderValidatePageHeader`, except for its timeline.
    pub fn check_page(&self, page: &[u8], address: Lsn) -> Result<PageHeader, PageError> {
        let header = PageHeader::parse(page).ok_or(PageError::Short(page.len()))?;
        if !self.format.has_magic(header.magic) {
            let (expected, major) = (self.format.magic(), self.format.major);
            return Err(PageError::Magic { found: header.magic, expected, major });
        }
        if header.info & !self.format.all_flags != 0 {
            return Err(PageError::Flags(header.info));
        }
        match &header.long {
            Some(long) => self.check_long(long)?,
            None if address.offset_in_segment(self.segment_size) == 0 => return Err(PageError::NoLongHeader),
            None => {}
        }
        if header.address != address {
            return Err(PageError::Address { found: header.address, expected: address });
        }
        Ok(header)
    }

    /// Checks the beginning of the file of a whole segment before it is archived: besides what every page must
    /// have, its timeline must not be newer than the one in the file's name.
    pub fn check_segment_start(&self, page: &[u8], start: Lsn, timeline: TimelineId) -> Result<LongHeader, PageError> {
        let header = self.check_page(page, start)?;
        check_timeline(&header, 1, timeline)?;
        header.long.ok_or(PageError::NoLongHeader)
    }

    fn check_long(&self, long: &LongHeader) -> Result<(), PageError> {
        if let Some(expected) = self.system_identifier.filter(|expected| *expected != long.system_identifier) {
            return Err(PageError::SystemIdentifier { found: long.system_identifier, expected });
        }
        if u64::from(long.segment_size) != self.segment_size {
            return Err(PageError::SegmentSize { found: long.segment_size, expected: self.segment_size });
        }
        if !is_block_size(long.block_size) {
            return Err(PageError::BlockSize { found: long.block_size, expected: 8192 });
        }
        Ok(())
    }
}

/// A timeline has only ancestors with smaller numbers, so numbers never fall from page to page; and the file
/// of a timeline begins at most with pages copied from its ancestors.
pub(super) fn check_timeline(header: &PageHeader, least: TimelineId, greatest: TimelineId) -> Result<(), PageError> {
    let found = header.timeline;
    if (least..=greatest).contains(&found) { Ok(()) } else { Err(PageError::Timeline { found, least, greatest }) }
}

fn is_block_size(size: u32) -> bool {
    size.is_power_of_two() && (MIN_BLOCK_SIZE..=MAX_BLOCK_SIZE).contains(&size)
}

/// `IsValidWalSegSize`
pub fn is_segment_size(size: u64) -> bool {
    size.is_power_of_two() && (MIN_SEGMENT_SIZE..=MAX_SEGMENT_SIZE).contains(&size)
}
