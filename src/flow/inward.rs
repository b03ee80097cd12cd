//! store -> codec -> sink: restores a backup part by part. A part is fetched, its frames are
//! decompressed once and written into place, and then every digest of the part is checked against what
//! the target reads back.

mod compare;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use super::caught::Panicked;
use super::listed::Listed;
use super::pack_reader::PackReader;
use super::workers;
use crate::codec::{CodecError, FrameReader, Opener};
use crate::model::catalog::ObjectList;
use crate::model::digest::{DigestError, PartDigests, digests};
use crate::model::interrupt::Interrupt;
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::manifest::{DIGEST_BLOCK, Extent, FileSlice, MAX_FRAME, MAX_PART_BYTES, ManifestError, Pack, Part};
use crate::model::sha256::Sha256Sum;
use crate::sink::{SinkError, TargetDirectory, TargetFile};
use crate::store::{Error as StoreError, Reader};

pub use compare::PartRead;

#[derive(Debug, thiserror::Error)]
pub enum InwardError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{key}: {source}")]
    Codec { key: Key, source: CodecError },
    #[error("{key}: {source}")]
    Manifest { key: Key, source: ManifestError },
    #[error("{key}: {source}")]
    Digests { key: Key, source: DigestError },
    #[error("{key} is not in the list of objects of the backup that needs it")]
    NotListed { key: Key },
    #[error("{key} is another object: it has SHA-256 {found}, the list of objects says {recorded}")]
    OtherObject { key: Key, found: Sha256Sum, recorded: Sha256Sum },
    #[error("{key}: a stream that it names has {found} bytes, not {recorded}")]
    OtherLength { key: Key, found: u64, recorded: u64 },
    #[error("{key}: it decompresses to more than {MAX_PART_BYTES} bytes")]
    PartTooLarge { key: Key },
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error("{path}: bytes {from} to {to} are not what was backed up (digests of {key})")]
    Content { path: String, from: u64, to: u64, key: Key },
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("interrupted")]
    Interrupted,
}

impl InwardError {
    /// The object that cannot be used.
    pub fn object(&self) -> Option<&Key> {
        match self {
            InwardError::Codec { key, .. }
            | InwardError::Manifest { key, .. }
            | InwardError::Digests { key, .. }
            | InwardError::OtherObject { key, .. }
            | InwardError::OtherLength { key, .. }
            | InwardError::PartTooLarge { key } => Some(key),
            _ => None,
        }
    }
}

type Result<T> = std::result::Result<T, InwardError>;

/// Everything a restore reads from.
pub struct Inward<'a> {
    pub reader: &'a Reader,
    pub opener: &'a Opener,
    pub keys: &'a ClusterKeys,
    /// What each object must be.
    pub objects: &'a ObjectList,
    pub backup: &'a BackupId,
    /// Parts are numbered from 1 to this.
    pub parts: u32,
    pub jobs: usize,
    /// Set from outside to end the restore early.
    pub interrupt: &'a Interrupt,
    /// Bytes of files written, or compared, so far, for progress.
    pub written: &'a AtomicU64,
}

impl Inward<'_> {
    /// One manifest part, checked.
    pub fn manifest(&self, part: u32) -> Result<Part> {
        let key = self.keys.manifest(self.backup, part);
        let text = self.small_object(&key)?;
        Part::parse(&text, self.backup, part).map_err(|source| InwardError::Manifest { key, source })
    }

    /// Calls `visit` with every part in turn, one in memory at a time.
    pub fn each_manifest(&self, mut visit: impl FnMut(&Part) -> Result<()>) -> Result<()> {
        (1..=self.parts).try_for_each(|part| visit(&self.manifest(part)?))
    }

    /// Writes every file of the backup. Directories must be there.
    pub fn files(&self, target: &TargetDirectory) -> Result<()> {
        workers::each(self.jobs, 1..=self.parts, |part| {
            self.check_interrupt()?;
            self.part_of_any_copy(part, target)
        })?;
        self.check_interrupt()
    }

    fn check_interrupt(&self) -> Result<()> {
        if self.interrupt.is_raised() { Err(InwardError::Interrupted) } else { Ok(()) }
    }

    /// Written once more where an object was damaged and another repository has it too.
    fn part_of_any_copy(&self, number: u32, target: &TargetDirectory) -> Result<()> {
        loop {
            match self.part(number, target) {
                Err(error) if error.object().is_some_and(|key| self.reader.turn_from(key)) => {}
                ended => return ended,
            }
        }
    }

    fn part(&self, number: u32, target: &TargetDirectory) -> Result<()> {
        let part = self.manifest(number)?;
        let expected = self.digests(number, part.digests())?;
        let mut files = OpenFile { part: &part, target, open: None };
        for (pack, extents) in by_pack(&part) {
            self.check_interrupt()?;
            self.pack(pack, &extents, &mut files)?;
        }
        let mut values = expected.values.iter();
        for file in &part.files {
            let opened = open(target, file)?;
            let key = || self.keys.digests(self.backup, number);
            check(&opened, file, expected.seed, &mut values, key)?;
        }
        Ok(())
    }

    fn digests(&self, part: u32, count: u64) -> Result<PartDigests> {
        let key = self.keys.digests(self.backup, part);
        let bytes = self.small_object(&key)?;
        PartDigests::parse(&bytes, self.backup, part, count).map_err(|source| InwardError::Digests { key, source })
    }

    /// An object as it is stored; whoever has read what it needs calls `finish`.
    fn stored(&self, key: &Key) -> Result<Listed<'_, Box<dyn Read + Send>>> {
        let line = self.objects.get(key).ok_or_else(|| InwardError::NotListed { key: key.clone() })?;
        Ok(Listed::new(line, self.reader.get(key)?))
    }

    /// A manifest or digest part, decrypted and decompressed, within its bound.
    fn small_object(&self, key: &Key) -> Result<Vec<u8>> {
        let mut stored = self.stored(key)?;
        let content = self.content(key, &mut stored)?;
        stored.finish().map(|()| content)
    }

    fn content(&self, key: &Key, stored: impl Read) -> Result<Vec<u8>> {
        let fail = |source| InwardError::Codec { key: key.clone(), source };
        let (_, opened) = self.opener.open(key, stored).map_err(fail)?;
        let mut bytes = Vec::new();
        let mut frames = FrameReader::new(opened).map_err(fail)?.take(MAX_PART_BYTES + 1);
        frames.read_to_end(&mut bytes).map_err(|e| fail(e.into()))?;
        if bytes.len() as u64 > MAX_PART_BYTES {
            return Err(InwardError::PartTooLarge { key: key.clone() });
        }
        Ok(bytes)
    }

    /// Decompresses each frame that `extents` touch, once, and hands on what belongs into files.
    fn pack(&self, pack: &Pack, extents: &[(usize, Extent)], files: &mut dyn Destination) -> Result<()> {
        let key = self.keys.pack(&pack.id);
        let mut stored = self.stored(&key)?;
        let mut frames = PackReader::open(&key, &mut stored, self.opener)?;
        let (mut stored_at, mut frame_at, mut rest) = (0, 0, extents);
        for layout in &pack.frames {
            let frame_end = frame_at + layout.length;
            let needed = rest.partition_point(|(_, extent)| extent.pack_offset < frame_end);
            if needed > 0 {
                let frame = frames.frame(*layout, stored_at)?;
                for (index, extent) in &rest[..needed] {
                    let written = hand_overlap(files, *index, extent, frame_at, frame)?;
                    self.written.fetch_add(written, Ordering::Relaxed);
                }
                // An extent that goes on in the next frame is needed again.
                let done = rest[..needed].partition_point(|(_, e)| e.pack_offset + e.length <= frame_end);
                rest = &rest[done..];
            }
            stored_at += layout.compressed;
            frame_at = frame_end;
        }
        drop(frames);
        stored.finish()
    }
}

/// Where the bytes of a part go: of a file by its place in the part, and from an offset in the file on.
trait Destination {
    fn take(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Result<()>;
}

/// The file written to last stays open: the extents of one file mostly follow each other.
struct OpenFile<'a> {
    part: &'a Part,
    target: &'a TargetDirectory,
    open: Option<(usize, TargetFile)>,
}

impl OpenFile<'_> {
    fn at(&mut self, index: usize) -> Result<&TargetFile> {
        let file = match self.open.take().filter(|(at, _)| *at == index) {
            Some((_, file)) => file,
            None => open(self.target, &self.part.files[index])?,
        };
        Ok(&self.open.insert((index, file)).1)
    }
}

impl Destination for OpenFile<'_> {
    fn take(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.at(file)?.write_at(bytes, offset)?)
    }
}

/// The extents of a part by pack, each with the index of its file, in the order of the pack.
fn by_pack(part: &Part) -> Vec<(&Pack, Vec<(usize, Extent)>)> {
    let mut packs: BTreeMap<u32, Vec<(usize, Extent)>> = BTreeMap::new();
    for (index, file) in part.files.iter().enumerate() {
        for extent in &file.extents {
            packs.entry(extent.pack).or_default().push((index, *extent));
        }
    }
    let sorted = |(number, mut extents): (u32, Vec<(usize, Extent)>)| {
        extents.sort_by_key(|(_, extent)| extent.pack_offset);
        part.pack(number).map(|pack| (pack, extents))
    };
    packs.into_iter().filter_map(sorted).collect()
}

fn open(target: &TargetDirectory, file: &FileSlice) -> Result<TargetFile> {
    Ok(target.file(&file.path, file.size, file.mode.0)?)
}

/// Hands on the part of `extent` that lies in the frame beginning at `frame_at`; returns its length.
fn hand_overlap(
    files: &mut dyn Destination,
    index: usize,
    extent: &Extent,
    frame_at: u64,
    frame: &[u8],
) -> Result<u64> {
    let from = extent.pack_offset.max(frame_at);
    let to = (extent.pack_offset + extent.length).min(frame_at + frame.len() as u64);
    if from >= to {
        return Ok(0);
    }
    let bytes = &frame[(from - frame_at) as usize..(to - frame_at) as usize];
    files.take(index, extent.file_offset + (from - extent.pack_offset), bytes)?;
    Ok(to - from)
}

/// Reads a slice back and compares its digests.
fn check<'d>(
    file: &TargetFile,
    line: &FileSlice,
    seed: u64,
    expected: &mut impl Iterator<Item = &'d u64>,
    key: impl Fn() -> Key,
) -> Result<()> {
    let range = line.range();
    let mut buffer = vec![0u8; MAX_FRAME.min(range.length) as usize];
    let mut at = range.offset;
    while at < range.end() {
        let length = MAX_FRAME.min(range.end() - at) as usize;
        file.read_at(&mut buffer[..length], at)?;
        for (block, found) in digests(&buffer[..length], seed).enumerate() {
            if expected.next() != Some(&found) {
                let from = at + block as u64 * DIGEST_BLOCK;
                let to = (from + DIGEST_BLOCK).min(range.end());
                return Err(InwardError::Content { path: line.path.to_string(), from, to, key: key() });
            }
        }
        at += length as u64;
    }
    Ok(())
}
