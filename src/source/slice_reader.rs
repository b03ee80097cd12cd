//! Reads a slice of a file as it was sized when the walk saw it, however it changes meanwhile: what grew is
//! cut off, what shrank is filled up with zeros, and WAL replay puts both right (`sendFile` in basebackup.c).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::cache::CacheGuard;
use super::data_directory::{DataDirectory, Entry, Kind};
use super::error::{Error, Result};
use super::page_checks::{Look, PageChecks};
use crate::model::manifest::Slice;
use crate::model::path::RelPath;
use crate::model::relation::RelationFile;

/// Bytes that are read at once: whole pages of every size.
pub const CHUNK: usize = 1024 * 1024;

const _: () = assert!(CHUNK.is_multiple_of(crate::model::control_file::MAX_PAGE_SIZE as usize));

/// Reads slices, one after the other, through one buffer.
#[derive(Debug)]
pub struct SliceReader {
    checks: PageChecks,
    buffer: Vec<u8>,
}

/// A slice being read.
#[derive(Debug)]
pub struct SliceFile {
    file: File,
    path: RelPath,
    /// Set where pages are to be verified.
    relation: Option<RelationFile>,
    position: u64,
    end: u64,
    /// The file ended before `end`; nothing of it is read any more.
    shrunk: bool,
    bad_blocks: Vec<u64>,
    cache: CacheGuard,
}

impl SliceReader {
    pub fn new(checks: PageChecks) -> SliceReader {
        SliceReader { checks, buffer: Vec::new() }
    }

    /// `None` where the file has vanished. `range` begins at a page.
    pub fn open(&mut self, data: &DataDirectory, entry: &Entry, range: Slice) -> Result<Option<SliceFile>> {
        let Some(file) = data.open_file(&entry.path)? else { return Ok(None) };
        let relation = match entry.kind {
            Kind::Relation(file) if self.checks.are_on() => Some(file),
            _ => None,
        };
        let cache = CacheGuard::probe(&file, range, CHUNK as u64);
        Ok(Some(SliceFile {
            file,
            path: entry.path.clone(),
            relation,
            position: range.offset,
            end: range.end(),
            shrunk: false,
            bad_blocks: Vec::new(),
            cache,
        }))
    }

    /// The next piece, at most [`CHUNK`] bytes; together the pieces are exactly the slice.
    pub fn next(&mut self, slice: &mut SliceFile) -> Result<Option<&[u8]>> {
        let length = slice.end.saturating_sub(slice.position).min(CHUNK as u64) as usize;
        if length == 0 {
            return Ok(None);
        }
        // Kept at its size: zeroing it anew would cost as much as reading.
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        let chunk = &mut self.buffer[..length];
        slice.fill(chunk, &self.checks).map_err(|e| Error::io("read", slice.path.as_path(), e))?;
        slice.cache.release(&slice.file, slice.position, length as u64);
        slice.position += length as u64;
        Ok(Some(chunk))
    }
}

impl SliceFile {
    /// True when the file had fewer bytes than the walk saw; zeros stand for them.
    pub fn shrunk(&self) -> bool {
        self.shrunk
    }

    /// Blocks whose checksum does not match, as PostgreSQL counts them: across the fork's files.
    pub fn bad_blocks(&self) -> &[u64] {
        &self.bad_blocks
    }

    fn fill(&mut self, chunk: &mut [u8], checks: &PageChecks) -> io::Result<()> {
        let read = if self.shrunk { 0 } else { read_at(&self.file, chunk, self.position)? };
        let read = self.cut(chunk, read, checks);
        let whole = match self.relation {
            Some(relation) => self.verify(&mut chunk[..read], relation, checks)?,
            None => read,
        };
        self.cut(chunk, whole, checks);
        Ok(())
    }

    /// Zeros for what is missing after `read` bytes. Of a page that is cut in half nothing is kept.
    fn cut(&mut self, chunk: &mut [u8], read: usize, checks: &PageChecks) -> usize {
        if read == chunk.len() {
            return read;
        }
        self.shrunk = true;
        let kept = if self.relation.is_some() { read - read % checks.page_size() } else { read };
        chunk[kept..].fill(0);
        kept
    }

    /// Verifies whole pages; returns the length up to which the file still exists.
    fn verify(&mut self, read: &mut [u8], relation: RelationFile, checks: &PageChecks) -> io::Result<usize> {
        for (index, page) in read.chunks_exact_mut(checks.page_size()).enumerate() {
            let at = index * checks.page_size();
            let offset = self.position + at as u64;
            let block = checks.block_at(relation, offset);
            if checks.is_good(page, block) {
                continue;
            }
            let read = |page: &mut [u8]| self.file.read_exact_at(page, offset);
            match checks.look_again(page, block, self.bad_blocks.len(), read)? {
                Look::Good => {}
                Look::Bad => self.bad_blocks.push(block),
                Look::Gone => return Ok(at),
            }
        }
        Ok(read.len())
    }
}

/// Fills `buffer` as far as the file goes.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

#[cfg(test)]
#[path = "slice_reader_tests.rs"]
mod tests;
