//! What a backup consists of: parts of JSON lines that map files to extents, and beside each part the
//! digests of the same bytes. `docs/format.md` is normative.
//!
//! A part is bounded, complete in itself and the unit of work of a restore: every pack that its extents
//! name is described in the same part.

mod part;

use serde::{Deserialize, Serialize};

use super::key::{BackupId, PackId};
use super::path::{RawPath, RelPath};

pub use part::{ManifestError, Part};

/// Version of the manifest and digest objects.
pub const FORMAT: u32 = 1;

/// Bytes of a file that one digest covers.
pub const DIGEST_BLOCK: u64 = 32 * 1024;

/// Longest piece of one file that a single manifest line describes; a multiple of [`DIGEST_BLOCK`].
/// Longer files are described by several lines, so that workers share them.
pub const MAX_SLICE: u64 = 128 * 1024 * 1024;

/// Most bytes of pages that one frame holds before compression.
pub const MAX_FRAME: u64 = 1024 * 1024;

/// Most bytes of a frame after compression: what does not compress grows a little, nothing doubles.
pub const MAX_COMPRESSED_FRAME: u64 = 2 * MAX_FRAME;

/// Most bytes of one pack as stored.
pub const MAX_PACK: u64 = 32 * 1024 * 1024;

/// Bounds of one part: a reader holds one part in memory.
pub const MAX_PART_LINES: usize = 32 * 1024;
pub const MAX_PART_EXTENTS: usize = 256 * 1024;
pub const MAX_PART_DATA: u64 = 1024 * 1024 * 1024;
/// Long names reach this bound before the others.
pub const MAX_PART_TEXT: usize = 64 * 1024 * 1024;
/// A reader refuses a part that decompresses to more than this.
pub const MAX_PART_BYTES: u64 = 256 * 1024 * 1024;

const _: () = assert!(MAX_SLICE.is_multiple_of(DIGEST_BLOCK));
const _: () = assert!(MAX_FRAME.is_multiple_of(DIGEST_BLOCK));
const _: () = assert!(MAX_SLICE <= MAX_PART_DATA);

/// One line of a manifest part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    Part(PartHeader),
    Directory(Directory),
    Link(Link),
    File(FileSlice),
    Pack(Pack),
}

/// The first line of every part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartHeader {
    pub format: u32,
    pub backup: BackupId,
    pub part: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    pub path: RelPath,
    pub mode: Mode,
}

/// A tablespace's symbolic link in `pg_tblspc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub path: RelPath,
    /// The directory the tablespace lay in, resolved to an absolute path; within the data directory `../` and the path
    /// there.
    pub target: RawPath,
}

/// A file, or the piece `[offset, offset + length)` of one. Bytes that no extent covers are zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSlice {
    pub path: RelPath,
    /// Size of the whole file.
    pub size: u64,
    pub mode: Mode,
    /// Seconds since the Unix epoch.
    pub mtime: i64,
    /// Absent when the line describes the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
    pub extents: Vec<Extent>,
}

impl FileSlice {
    pub fn range(&self) -> Slice {
        self.slice.unwrap_or(Slice { offset: 0, length: self.size })
    }
}

/// A piece of a file; written as `[offset, length]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Slice {
    pub offset: u64,
    pub length: u64,
}

impl Slice {
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// How many digests cover this piece.
    pub fn digests(self) -> u64 {
        self.length.div_ceil(DIGEST_BLOCK)
    }
}

impl From<(u64, u64)> for Slice {
    fn from((offset, length): (u64, u64)) -> Slice {
        Slice { offset, length }
    }
}

impl From<Slice> for (u64, u64) {
    fn from(slice: Slice) -> (u64, u64) {
        (slice.offset, slice.length)
    }
}

/// A run of pages of a file and where it lies; written as `[file offset, length, pack, pack offset]`.
/// `pack` is the number of a [`Pack`] line of the same part, `pack_offset` counts decompressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32, u64)", into = "(u64, u64, u32, u64)")]
pub struct Extent {
    pub file_offset: u64,
    pub length: u64,
    pub pack: u32,
    pub pack_offset: u64,
}

impl Extent {
    /// Whether `next` goes on where this extent ends, in the file and in the pack.
    pub fn continues_with(&self, next: &Extent) -> bool {
        self.pack == next.pack
            && self.file_offset + self.length == next.file_offset
            && self.pack_offset + self.length == next.pack_offset
    }
}

impl From<(u64, u64, u32, u64)> for Extent {
    fn from((file_offset, length, pack, pack_offset): (u64, u64, u32, u64)) -> Extent {
        Extent { file_offset, length, pack, pack_offset }
    }
}

impl From<Extent> for (u64, u64, u32, u64) {
    fn from(e: Extent) -> (u64, u64, u32, u64) {
        (e.file_offset, e.length, e.pack, e.pack_offset)
    }
}

/// A pack that extents of this part name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// What [`Extent::pack`] refers to; unique within the part.
    pub number: u32,
    pub id: PackId,
    /// The frames in order; offsets follow from the sums.
    pub frames: Vec<Frame>,
}

impl Pack {
    /// No frame beyond its bound, so that no sum of them overflows.
    fn has_possible_frames(&self) -> bool {
        self.frames.iter().all(|frame| frame.length <= MAX_FRAME && frame.compressed <= MAX_COMPRESSED_FRAME)
    }

    /// Decompressed bytes of all frames.
    pub fn length(&self) -> Option<u64> {
        self.frames.iter().try_fold(0u64, |sum, frame| sum.checked_add(frame.length))
    }
}

/// One zstd frame of a pack; written as `[compressed length, decompressed length]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64)", into = "(u64, u64)")]
pub struct Frame {
    pub compressed: u64,
    pub length: u64,
}

impl From<(u64, u64)> for Frame {
    fn from((compressed, length): (u64, u64)) -> Frame {
        Frame { compressed, length }
    }
}

impl From<Frame> for (u64, u64) {
    fn from(frame: Frame) -> (u64, u64) {
        (frame.compressed, frame.length)
    }
}

/// Permission bits, written as four octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;
    fn try_from(text: String) -> Result<Mode, String> {
        let octal = text.len() == 4 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let bits = octal.then(|| u32::from_str_radix(&text, 8).ok()).flatten();
        bits.map(Mode).ok_or_else(|| format!("\"{text}\" is not a mode of four octal digits"))
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> String {
        format!("{:04o}", mode.0 & 0o7777)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_short_as_the_format_says() {
        let slice = FileSlice {
            path: RelPath::new("base/1/2").unwrap(),
            size: 8192,
            mode: Mode(0o600),
            mtime: 5,
            slice: None,
            extents: vec![Extent { file_offset: 0, length: 8192, pack: 0, pack_offset: 16 }],
        };
        let text = r#"{"type":"file","path":"base/1/2","size":8192,"mode":"0600","mtime":5,"extents":[[0,8192,0,16]]}"#;
        assert_eq!(serde_json::to_string(&Line::File(slice.clone())).unwrap(), text);
        assert_eq!(serde_json::from_str::<Line>(text).unwrap(), Line::File(slice));
    }
}
