//! One worker's output: packs, and the manifest and digest part that describe them.
//!
//! Bytes of a file arrive in order, in chunks of at most one frame. A long file fills frames of its
//! own; short ones share a frame. What is all zero is not stored: bytes without extent read as zeros.

use serde::Serialize;

use super::caught::Panicked;
use super::pack_writer::{PackWriter, SealedPack};
use super::upload::{Upload, Uploads};
use crate::codec::{CodecError, Envelope, FrameCompressor, Sealer};
use crate::model::digest::{PartDigests, digests};
use crate::model::key::{BackupId, ClusterKeys, Key, Kind, PackId};
use crate::model::manifest::{
    Directory, Extent, FORMAT, FileSlice, Line, Link, MAX_FRAME, MAX_PART_DATA, MAX_PART_EXTENTS, MAX_PART_LINES,
    MAX_PART_TEXT, Pack, PartHeader,
};
use crate::source::Error as SourceError;
use crate::store::Error as StoreError;

/// Files up to this size share a frame with others.
pub const BUNDLE_LIMIT: u64 = 256 * 1024;

/// What all workers of one backup have in common.
pub struct PartContext<'a> {
    pub backup: &'a BackupId,
    pub keys: &'a ClusterKeys,
    pub sealer: &'a Sealer,
    pub numbers: &'a Numbers,
    /// Seed of the digests.
    pub seed: u64,
    /// zstd level.
    pub level: i32,
    /// Bytes of a pack as stored.
    pub pack_limit: u64,
}

/// Hands out the numbers of packs and parts, each from 1 on without gaps.
#[derive(Default)]
pub struct Numbers {
    packs: std::sync::atomic::AtomicU32,
    parts: std::sync::atomic::AtomicU32,
}

impl Numbers {
    fn next(counter: &std::sync::atomic::AtomicU32) -> u32 {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
    }

    pub fn packs(&self) -> u32 {
        self.packs.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub fn parts(&self) -> u32 {
        self.parts.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The thread that puts objects has ended; its own error says why.
    #[error("the store takes no more objects")]
    UploadsEnded,
    #[error("a manifest line cannot be written: {0}")]
    Line(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// What an operation that feeds a stream has to say.
    #[error("{0}")]
    Refused(Box<crate::model::error::Error>),
    #[error("interrupted")]
    Interrupted,
}

type Result<T> = std::result::Result<T, OutwardError>;

/// Writes parts one after another until [`PartWriter::finish`].
pub struct PartWriter<'a> {
    context: &'a PartContext<'a>,
    uploads: &'a Uploads<'a>,
    compressor: FrameCompressor,
    scratch: Vec<u8>,
    pack: Option<PackWriter>,
    /// Number of the current pack within the part.
    pack_number: u32,
    /// Pages of short files that wait for their frame.
    bundle: Vec<u8>,
    part: OpenPart,
    file: Option<OpenFile>,
}

/// What the part under construction holds so far.
#[derive(Default)]
struct OpenPart {
    text: Vec<u8>,
    lines: usize,
    extents: usize,
    data: u64,
    digests: Vec<u64>,
}

struct OpenFile {
    line: FileSlice,
    at: u64,
    bundled: bool,
}

impl<'a> PartWriter<'a> {
    pub fn new(context: &'a PartContext<'a>, uploads: &'a Uploads<'a>) -> Result<PartWriter<'a>> {
        Ok(PartWriter {
            context,
            uploads,
            compressor: FrameCompressor::new(context.level)?,
            scratch: Vec::new(),
            pack: None,
            pack_number: 0,
            bundle: Vec::with_capacity(MAX_FRAME as usize),
            part: OpenPart::default(),
            file: None,
        })
    }

    pub fn directory(&mut self, directory: Directory) -> Result<()> {
        self.line(&Line::Directory(directory))
    }

    pub fn link(&mut self, link: Link) -> Result<()> {
        self.line(&Line::Link(link))
    }

    /// `line` without extents; its bytes follow in [`PartWriter::chunk`].
    pub fn begin_file(&mut self, line: FileSlice) {
        let range = line.range();
        self.file = Some(OpenFile { at: range.offset, bundled: range.length <= BUNDLE_LIMIT, line });
    }

    /// The next bytes of the open file: at most [`MAX_FRAME`], and whole digest blocks except at its end.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        self.part.digests.extend(digests(bytes, self.context.seed));
        self.part.data += bytes.len() as u64;
        if !is_zero(bytes) {
            let (pack, pack_offset) = if file.bundled { self.store_bundled(bytes)? } else { self.store_frame(bytes)? };
            let extent = Extent { file_offset: file.at, length: bytes.len() as u64, pack, pack_offset };
            push_extent(&mut file.line.extents, extent);
        }
        file.at += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Writes the file's line; may end the part.
    pub fn end_file(&mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        self.part.extents += file.line.extents.len();
        self.line(&Line::File(file.line))
    }

    /// Ends the last part. Everything is handed to the uploads; they decide about success.
    pub fn finish(mut self) -> Result<()> {
        self.end_part()
    }

    fn store_frame(&mut self, bytes: &[u8]) -> Result<(u32, u64)> {
        self.flush_bundle()?;
        let (number, pack) = self.open_pack()?;
        let at = pack.length();
        self.frame(bytes)?;
        Ok((number, at))
    }

    fn store_bundled(&mut self, bytes: &[u8]) -> Result<(u32, u64)> {
        if self.bundle.len() + bytes.len() > MAX_FRAME as usize {
            self.flush_bundle()?;
        }
        let waiting = self.bundle.len() as u64;
        let (number, pack) = self.open_pack()?;
        let at = pack.length() + waiting;
        self.bundle.extend_from_slice(bytes);
        Ok((number, at))
    }

    fn flush_bundle(&mut self) -> Result<()> {
        let bundle = std::mem::take(&mut self.bundle);
        if !bundle.is_empty() {
            self.frame(&bundle)?;
        }
        self.bundle = bundle;
        self.bundle.clear();
        Ok(())
    }

    /// Adds a frame to the open pack, and closes the pack if another frame might not fit.
    fn frame(&mut self, pages: &[u8]) -> Result<()> {
        let Some(pack) = &mut self.pack else { return Ok(()) };
        pack.add(pages, &mut self.compressor, &mut self.scratch)?;
        if pack.is_full(self.context.pack_limit) { self.close_pack() } else { Ok(()) }
    }

    fn open_pack(&mut self) -> Result<(u32, &PackWriter)> {
        let context = self.context;
        let pack = match self.pack.take() {
            Some(pack) => pack,
            None => {
                let number = Numbers::next(&context.numbers.packs);
                let id = PackId { backup: context.backup.clone(), number };
                PackWriter::new(id, context.keys, context.sealer, context.pack_limit)?
            }
        };
        Ok((self.pack_number, self.pack.insert(pack)))
    }

    fn close_pack(&mut self) -> Result<()> {
        let Some(pack) = self.pack.take().filter(|pack| !pack.is_empty()) else { return Ok(()) };
        let SealedPack { id, frames, bytes } = pack.finish()?;
        let key = self.context.keys.pack(&id);
        let number = self.pack_number;
        self.pack_number += 1;
        self.append(&Line::Pack(Pack { number, id, frames }))?;
        self.put(key, bytes)
    }

    /// Writes a line, and ends the part when it has reached one of its bounds.
    fn line(&mut self, line: &Line) -> Result<()> {
        self.append(line)?;
        let part = &self.part;
        let full = part.lines >= MAX_PART_LINES
            || part.extents >= MAX_PART_EXTENTS
            || part.data >= MAX_PART_DATA
            || part.text.len() >= MAX_PART_TEXT;
        if full { self.end_part() } else { Ok(()) }
    }

    fn append(&mut self, line: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.part.text, line)?;
        self.part.text.push(b'\n');
        self.part.lines += 1;
        Ok(())
    }

    fn end_part(&mut self) -> Result<()> {
        self.flush_bundle()?;
        self.close_pack()?;
        self.pack_number = 0;
        let OpenPart { text, digests: values, lines, .. } = std::mem::take(&mut self.part);
        if lines == 0 {
            return Ok(());
        }
        let (context, part) = (self.context, Numbers::next(&self.context.numbers.parts));
        let header = Line::Part(PartHeader { format: FORMAT, backup: context.backup.clone(), part });
        let mut manifest = serde_json::to_vec(&header)?;
        manifest.push(b'\n');
        manifest.extend(text);
        self.put_sealed(context.keys.manifest(context.backup, part), Kind::Manifest, &manifest)?;
        let digests = PartDigests { seed: context.seed, values }.format(context.backup, part);
        self.put_sealed(context.keys.digests(context.backup, part), Kind::Digests, &digests)
    }

    fn put_sealed(&mut self, key: Key, kind: Kind, content: &[u8]) -> Result<()> {
        let mut writer = self.context.sealer.seal(&Envelope::new(key.clone(), kind), Vec::new())?;
        for frame in content.chunks(MAX_FRAME as usize) {
            self.scratch.clear();
            self.compressor.compress(frame, &mut self.scratch)?;
            std::io::Write::write_all(&mut writer, &self.scratch).map_err(CodecError::from)?;
        }
        let bytes = writer.finish().map_err(CodecError::from)?;
        self.put(key, bytes)
    }

    fn put(&self, key: Key, bytes: Vec<u8>) -> Result<()> {
        self.uploads.send(Upload { key, bytes }).map_err(|_| OutwardError::UploadsEnded)
    }
}

/// Joins an extent to the one before where both go on.
fn push_extent(extents: &mut Vec<Extent>, next: Extent) {
    match extents.last_mut() {
        Some(last) if last.continues_with(&next) => last.length += next.length,
        _ => extents.push(next),
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    // Most pages differ from zero in their first bytes, so this costs nothing where it is false.
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|b| *b == 0)
}
