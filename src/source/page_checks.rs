//! Which pages are verified, and how patiently.

use std::thread::sleep;
use std::time::Duration;

use crate::model::control_file::{ControlFile, DataChecksums};
use crate::model::lsn::Lsn;
use crate::model::page::verify;
use crate::model::relation::RelationFile;

/// A page that fails was perhaps being written just then. basebackup.c reads it once more and hopes; a page
/// that is the same in two more looks is not being written.
const LOOKS: u32 = 10;
const SAME_LOOKS: u32 = 2;
const WAIT: Duration = Duration::from_millis(10);

/// Bad pages of one slice that are waited for; beyond them the file is damaged for certain.
const PATIENT: usize = 100;

/// How the pages of a backup's relation files are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageChecks {
    page_size: usize,
    pages_per_segment: u32,
    /// Off, or being switched on or off: then a page without a valid checksum is no defect.
    on: bool,
    start: Lsn,
}

/// What a closer look at a suspicious page gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Good,
    Bad,
    /// The file ends before or within the page: truncated meanwhile.
    Gone,
}

impl PageChecks {
    /// `start` is the backup's START: pages changed since may be torn.
    pub fn new(control_file: &ControlFile, start: Lsn) -> PageChecks {
        PageChecks {
            page_size: control_file.page_size as usize,
            pages_per_segment: control_file.pages_per_segment,
            on: control_file.data_checksums == DataChecksums::On,
            start,
        }
    }

    pub fn are_on(&self) -> bool {
        self.on
    }

    pub(super) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Number of the block at `offset` of a relation's file.
    pub(super) fn block_at(&self, file: RelationFile, offset: u64) -> u64 {
        u64::from(file.first_block(self.pages_per_segment)) + offset / self.page_size as u64
    }

    pub(super) fn is_good(&self, page: &[u8], block: u64) -> bool {
        // A fork has at most 2^32 - 1 blocks (`MaxBlockNumber`).
        verify(page, block as u32, self.start).is_good()
    }

    /// Reads a page that failed again, into its place, until it is good or stays as it is.
    pub(super) fn look_again(
        &self,
        page: &mut [u8],
        block: u64,
        bad: usize,
        mut read: impl FnMut(&mut [u8]) -> std::io::Result<()>,
    ) -> std::io::Result<Look> {
        let (mut before, mut same) = (page.to_vec(), 0);
        for look in 0..LOOKS {
            if look > 0 {
                sleep(WAIT);
            }
            match read(page) {
                Ok(()) if self.is_good(page, block) => return Ok(Look::Good),
                Ok(()) if bad >= PATIENT => return Ok(Look::Bad),
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(Look::Gone),
                Err(e) => return Err(e),
            }
            same = if *page == *before { same + 1 } else { 0 };
            if same >= SAME_LOOKS {
                return Ok(Look::Bad);
            }
            before.copy_from_slice(page);
        }
        Ok(Look::Bad)
    }
}
