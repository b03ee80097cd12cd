//! Leaves the page cache as it was found: what was there before us stays, what only our reading brought in
//! goes again, else a backup of a large cluster would push out what the server needs.

use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::model::manifest::Slice;

/// For each chunk of a slice, whether it was cached before we read it.
#[derive(Debug)]
pub(super) struct CacheGuard {
    start: u64,
    chunk: u64,
    cold: Vec<bool>,
}

impl CacheGuard {
    /// Asks for one byte in the middle of every chunk, without waiting for the disk. Readahead is off
    /// meanwhile, so that one probe does not answer the next.
    pub fn probe(file: &File, range: Slice, chunk: u64) -> CacheGuard {
        let mut guard = CacheGuard { start: range.offset, chunk, cold: Vec::new() };
        if fadvise(file, 0, None, Advice::Random).is_err() {
            return guard;
        }
        let mut offset = range.offset;
        while offset < range.end() {
            let length = chunk.min(range.end() - offset);
            guard.cold.push(is_cold(file, offset + length / 2));
            offset += length;
        }
        // Advice: failing changes nothing but speed.
        let _ = fadvise(file, 0, None, Advice::Sequential);
        guard
    }

    /// Drops the chunk at `offset`, if it was cold. Pages that the server has dirtied stay.
    pub fn release(&self, file: &File, offset: u64, length: u64) {
        let index = usize::try_from((offset - self.start) / self.chunk).unwrap_or(usize::MAX);
        if self.cold.get(index) == Some(&true) {
            let _ = fadvise(file, offset, NonZeroU64::new(length), Advice::DontNeed);
        }
    }
}

/// A file system that cannot tell counts as warm: then nothing is dropped.
fn is_cold(file: &File, offset: u64) -> bool {
    let mut byte = [0];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
    read == Err(Errno::AGAIN)
}
