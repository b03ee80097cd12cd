//! Data pages: the header, the checksum, and what a page read under a running server may be (`PageHeaderData`
//! in bufpage.h, `pg_checksum_page` in checksum_impl.h, `verify_page_checksum` in basebackup.c).

mod checksum;

pub use checksum::checksum;

use super::lsn::Lsn;

/// `SizeOfPageHeaderData`: nothing of the line pointers.
pub const PAGE_HEADER_SIZE: usize = 24;

/// The fields of a page's header that stand in every page of every relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// End of the last WAL record that changed the page.
    pub lsn: Lsn,
    pub checksum: u16,
    pub flags: u16,
    pub lower: u16,
    pub upper: u16,
    pub special: u16,
    pub pagesize_version: u16,
}

/// What a page proved to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageVerdict {
    Valid,
    /// All zero: allocated and not yet initialised (`PageIsNew`, and `PageIsVerified` asks for all zero).
    New,
    /// `pd_upper` is zero as in a new page, and other bytes are not: no server writes this.
    NewNotZero,
    /// Changed after the backup began, so perhaps half written; WAL replay puts it right. Its checksum does
    /// not matter.
    Recent,
    Bad {
        found: u16,
        computed: u16,
    },
}

impl PageVerdict {
    /// Whether the page may be stored without a word.
    pub fn is_good(self) -> bool {
        matches!(self, PageVerdict::Valid | PageVerdict::New | PageVerdict::Recent)
    }
}

impl PageHeader {
    /// `None` for a slice that holds no header.
    pub fn parse(page: &[u8]) -> Option<PageHeader> {
        let header = page.first_chunk::<PAGE_HEADER_SIZE>()?;
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let word = |at: usize| u64::from(half(at)) | u64::from(half(at + 2)) << 16;
        Some(PageHeader {
            // The high half comes first (PageXLogRecPtr).
            lsn: Lsn(word(0) << 32 | word(4)),
            checksum: half(8),
            flags: half(10),
            lower: half(12),
            upper: half(14),
            special: half(16),
            pagesize_version: half(18),
        })
    }

    /// `PageIsNew`.
    pub fn is_new(&self) -> bool {
        self.upper == 0
    }
}

/// Judges one page of a relation file, read while the server may be writing it. `block` counts across the
/// fork's files; `start` is the backup's START.
pub fn verify(page: &[u8], block: u32, start: Lsn) -> PageVerdict {
    match PageHeader::parse(page) {
        Some(header) if header.is_new() => new_page(page),
        Some(header) if header.lsn >= start => PageVerdict::Recent,
        Some(header) => match checksum(page, block) {
            computed if computed == header.checksum => PageVerdict::Valid,
            computed => PageVerdict::Bad { found: header.checksum, computed },
        },
        None => PageVerdict::NewNotZero,
    }
}

fn new_page(page: &[u8]) -> PageVerdict {
    if page.iter().all(|byte| *byte == 0) { PageVerdict::New } else { PageVerdict::NewNotZero }
}

#[cfg(test)]
mod tests;
