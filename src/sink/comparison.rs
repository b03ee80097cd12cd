//! Nowhere: what a backup holds of files is compared with its digests, block by block, and dropped. Pages are judged on
//! the way, as they were when they were backed up.
//!
//! Most blocks come in one piece. Of those that come in several only so many wait at a time; the others are put off, and
//! whoever reads reads once more.

use std::collections::BTreeMap;

use crate::model::digest::digests;
use crate::model::lsn::Lsn;
use crate::model::manifest::{DIGEST_BLOCK, FileSlice};
use crate::model::page::verify;
use crate::model::relation::{RelationFile, relation_file_at};

/// Blocks that wait for their other pieces: 8 MiB.
const MAX_WAITING: usize = 256;

/// Bad pages that are named; the others are counted.
const MAX_BAD_PAGES: usize = 1000;

/// How pages are judged; no rule where the cluster has no checksums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRule {
    pub page_size: usize,
    pub pages_per_segment: u32,
    /// The backup's START: pages changed since may be torn, and WAL repairs them.
    pub start: Lsn,
    /// `PG_<major>_<catalog version>`
    pub version_directory: String,
}

/// Of a relation's file, by its place in the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadPage {
    pub file: usize,
    /// Within the relation, as PostgreSQL counts.
    pub block: u64,
}

/// Bytes of a file, by its place in the part, that are not what was backed up; of several runs the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherContent {
    pub from: u64,
    pub to: u64,
    /// All such blocks of the file.
    pub blocks: u64,
}

/// What was found so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    pub other: BTreeMap<usize, OtherContent>,
    pub bad_pages: Vec<BadPage>,
    pub more_bad_pages: u64,
}

/// The files of one part, with what is known of each block.
pub struct Comparison<'p> {
    files: Vec<File<'p>>,
    seed: u64,
    rule: Option<&'p PageRule>,
    waiting: BTreeMap<(usize, u64), Waiting>,
    found: Compared,
}

struct File<'p> {
    line: &'p FileSlice,
    relation: Option<RelationFile>,
    expected: &'p [u64],
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Open,
    /// A piece of it has passed by: not to be begun before the next pass.
    PutOff,
    Judged,
}

/// A block of which a piece is there.
struct Waiting {
    bytes: Vec<u8>,
    /// Bytes that are still to come.
    rest: u64,
}

impl<'p> Comparison<'p> {
    /// `expected` are the digests of all files, in their order.
    pub fn new(lines: &'p [FileSlice], seed: u64, expected: &'p [u64], rule: Option<&'p PageRule>) -> Comparison<'p> {
        let mut rest = expected;
        let file = |line: &'p FileSlice| {
            let (own, others) = rest.split_at((line.range().digests() as usize).min(rest.len()));
            rest = others;
            let relation = rule.and_then(|rule| relation_file_at(line.path.parts(), rule.version_directory.as_bytes()));
            File { line, relation, expected: own, blocks: vec![Block::Open; own.len()] }
        };
        let files = lines.iter().map(file).collect();
        let mut comparison = Comparison { files, seed, rule, waiting: BTreeMap::new(), found: Compared::default() };
        comparison.holes();
        comparison
    }

    /// Bytes of a file, from an offset in it on.
    pub fn take(&mut self, file: usize, mut offset: u64, mut bytes: &[u8]) {
        let Some(first) = self.files.get(file).map(|file| file.line.range().offset) else { return };
        while !bytes.is_empty() {
            let block = (offset - first) / DIGEST_BLOCK;
            let end = first + (block + 1) * DIGEST_BLOCK;
            let (piece, rest) = bytes.split_at((end - offset).min(bytes.len() as u64) as usize);
            self.piece(file, block, offset, piece);
            offset += piece.len() as u64;
            bytes = rest;
        }
    }

    /// All packs have been read. Tells whether they are to be read once more, for what was put off.
    pub fn pass(&mut self) -> bool {
        // What did not come together lies in a pack that cannot be read; that is told there.
        for ((file, block), _) in std::mem::take(&mut self.waiting) {
            self.files[file].blocks[block as usize] = Block::Judged;
        }
        let mut again = false;
        for block in self.files.iter_mut().flat_map(|file| &mut file.blocks).filter(|block| **block == Block::PutOff) {
            (*block, again) = (Block::Open, true);
        }
        again
    }

    pub fn finish(self) -> Compared {
        self.found
    }

    /// Bytes that no extent covers are zero.
    fn holes(&mut self) {
        let zeros = vec![0; DIGEST_BLOCK as usize];
        for file in 0..self.files.len() {
            for block in 0..self.files[file].blocks.len() as u64 {
                if self.files[file].covered(block) == 0 {
                    let length = self.files[file].length(block) as usize;
                    self.judge(file, block, &zeros[..length]);
                }
            }
        }
    }

    fn piece(&mut self, file: usize, block: u64, offset: u64, piece: &[u8]) {
        let Some(known) = self.files.get(file) else { return };
        if known.blocks.get(block as usize) != Some(&Block::Open) {
            return;
        }
        let length = known.length(block);
        if piece.len() as u64 == length {
            return self.judge(file, block, piece);
        }
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(&(file, block)) {
            self.files[file].blocks[block as usize] = Block::PutOff;
            return;
        }
        let new = || Waiting { bytes: vec![0; length as usize], rest: known.covered(block) };
        let at = (offset - known.begin(block)) as usize;
        let waiting = self.waiting.entry((file, block)).or_insert_with(new);
        waiting.bytes[at..at + piece.len()].copy_from_slice(piece);
        waiting.rest = waiting.rest.saturating_sub(piece.len() as u64);
        if waiting.rest == 0
            && let Some(whole) = self.waiting.remove(&(file, block))
        {
            self.judge(file, block, &whole.bytes);
        }
    }

    fn judge(&mut self, file: usize, block: u64, bytes: &[u8]) {
        let known = &mut self.files[file];
        known.blocks[block as usize] = Block::Judged;
        let from = known.begin(block);
        if digests(bytes, self.seed).next() != Some(known.expected[block as usize]) {
            let to = from + bytes.len() as u64;
            let told = self.found.other.entry(file).or_insert(OtherContent { from, to, blocks: 0 });
            // Blocks may come in another order than they lie.
            if from == told.to {
                told.to = to;
            }
            told.blocks += 1;
            return;
        }
        let Some((relation, rule)) = known.relation.zip(self.rule) else { return };
        let first = u64::from(relation.first_block(rule.pages_per_segment)) + from / rule.page_size as u64;
        for (block, page) in (first..).zip(bytes.chunks_exact(rule.page_size)) {
            // A fork has at most 2^32 - 1 blocks (`MaxBlockNumber`).
            if verify(page, block as u32, rule.start).is_good() {
                continue;
            }
            match self.found.bad_pages.len() < MAX_BAD_PAGES {
                true => self.found.bad_pages.push(BadPage { file, block }),
                false => self.found.more_bad_pages += 1,
            }
        }
    }
}

impl File<'_> {
    fn begin(&self, block: u64) -> u64 {
        self.line.range().offset + block * DIGEST_BLOCK
    }

    fn length(&self, block: u64) -> u64 {
        (self.line.range().end() - self.begin(block)).min(DIGEST_BLOCK)
    }

    /// Bytes of the block that extents cover. They ascend and do not overlap.
    fn covered(&self, block: u64) -> u64 {
        let (from, to) = (self.begin(block), self.begin(block) + self.length(block));
        let first = self.line.extents.partition_point(|extent| extent.file_offset + extent.length <= from);
        let within = self.line.extents[first..].iter().take_while(|extent| extent.file_offset < to);
        within.map(|extent| (extent.file_offset + extent.length).min(to) - extent.file_offset.max(from)).sum()
    }
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
