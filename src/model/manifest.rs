//! What a backup consists of: parts of JSON lines that map files to extents, and beside each part the
//! digests of the same bytes. `docs/format.md` is normative.
//!
//! A part is bounded, complete in itself and the unit of work of a restore: every pack that its extents
//! name is described in the same part.

use serde::{Deserialize, Serialize};

use super::key::{BackupId, PackId};
use super::path::{RawPath, RelPath};

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
    /// The directory the tablespace lay in, resolved to an absolute path.
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

/// A part in memory, checked: what a restore works on.
#[derive(Debug, Default, PartialEq)]
pub struct Part {
    pub directories: Vec<Directory>,
    pub links: Vec<Link>,
    pub files: Vec<FileSlice>,
    /// By [`Pack::number`], ascending.
    pub packs: Vec<Pack>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("line {line}: {reason}")]
    Line { line: usize, reason: String },
    #[error("the part belongs to backup {found_backup} part {found_part}, not to {backup} part {part}")]
    OtherPart { backup: BackupId, part: u32, found_backup: BackupId, found_part: u32 },
    #[error("manifest format {0} is newer than {FORMAT}")]
    TooNew(u32),
    #[error("the part has no header")]
    NoHeader,
    #[error("{path}: {reason}")]
    File { path: String, reason: &'static str },
    #[error("pack {number} is described twice")]
    PackTwice { number: u32 },
    #[error("a frame of pack {number} is larger than a frame can be")]
    Frames { number: u32 },
}

impl Part {
    /// Reads all lines of a part and checks that they belong together.
    pub fn parse(text: &[u8], backup: &BackupId, part: u32) -> Result<Part, ManifestError> {
        let mut lines = text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()).map(parse_line);
        match lines.next().transpose()? {
            Some(Line::Part(header)) => header.check(backup, part)?,
            _ => return Err(ManifestError::NoHeader),
        }
        let mut read = Part::default();
        for line in lines {
            read.add(line?)?;
        }
        read.packs.sort_by_key(|pack| pack.number);
        read.check()?;
        Ok(read)
    }

    fn add(&mut self, line: Line) -> Result<(), ManifestError> {
        match line {
            Line::Part(_) => return Err(ManifestError::NoHeader),
            Line::Directory(directory) => self.directories.push(directory),
            Line::Link(link) => self.links.push(link),
            Line::File(file) => self.files.push(file),
            Line::Pack(pack) => self.packs.push(pack),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ManifestError> {
        if let Some(twice) = self.packs.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(ManifestError::PackTwice { number: twice[0].number });
        }
        if let Some(pack) = self.packs.iter().find(|pack| !pack.has_possible_frames()) {
            return Err(ManifestError::Frames { number: pack.number });
        }
        self.files.iter().try_for_each(|file| self.check_file(file))
    }

    /// Extents ascend, lie within the slice and within their pack.
    fn check_file(&self, file: &FileSlice) -> Result<(), ManifestError> {
        let fail = |reason| Err(ManifestError::File { path: file.path.to_string(), reason });
        let range = file.range();
        if range.end() > file.size || !range.offset.is_multiple_of(DIGEST_BLOCK) {
            return fail("the slice does not fit the file");
        }
        let mut at = range.offset;
        for extent in &file.extents {
            let end = extent.file_offset.checked_add(extent.length);
            if extent.file_offset < at || extent.length == 0 || end.is_none_or(|end| end > range.end()) {
                return fail("an extent lies outside the slice or overlaps the one before");
            }
            let Some(length) = self.pack(extent.pack).and_then(Pack::length) else {
                return fail("an extent names a pack that the part does not describe");
            };
            if extent.pack_offset.checked_add(extent.length).is_none_or(|end| end > length) {
                return fail("an extent lies outside its pack");
            }
            at = extent.file_offset + extent.length;
        }
        Ok(())
    }

    pub fn pack(&self, number: u32) -> Option<&Pack> {
        let at = self.packs.binary_search_by_key(&number, |pack| pack.number).ok()?;
        self.packs.get(at)
    }

    /// How many digests the digest object of the same number holds.
    pub fn digests(&self) -> u64 {
        self.files.iter().map(|file| file.range().digests()).sum()
    }
}

fn parse_line((number, line): (usize, &[u8])) -> Result<Line, ManifestError> {
    serde_json::from_slice(line).map_err(|e| ManifestError::Line { line: number + 1, reason: e.to_string() })
}

impl PartHeader {
    fn check(self, backup: &BackupId, part: u32) -> Result<(), ManifestError> {
        if self.format > FORMAT {
            return Err(ManifestError::TooNew(self.format));
        }
        if self.backup != *backup || self.part != part {
            let (found_backup, found_part) = (self.backup, self.part);
            return Err(ManifestError::OtherPart { backup: backup.clone(), part, found_backup, found_part });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20261120T030000Z-full-0000";

    fn part(lines: &[&str]) -> Result<Part, ManifestError> {
        let header = format!(r#"{{"type":"part","format":1,"backup":"{ID}","part":1}}"#);
        let text = [&[header.as_str()], lines].concat().join("\n");
        Part::parse(text.as_bytes(), &ID.parse().unwrap(), 1)
    }

    fn file(size: u64, rest: &str) -> String {
        format!(r#"{{"type":"file","path":"base/1/2","size":{size},"mode":"0600","mtime":0{rest}}}"#)
    }

    fn pack() -> String {
        format!(r#"{{"type":"pack","number":0,"id":{{"backup":"{ID}","number":1}},"frames":[[900,65536]]}}"#)
    }

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

    #[test]
    fn a_part_is_read_whatever_the_order_of_its_lines() {
        let read = part(&[&file(65536, r#","extents":[[0,32768,0,0],[40960,8192,0,57344]]"#), &pack()]).unwrap();
        assert_eq!((read.files.len(), read.packs.len(), read.digests()), (1, 1, 2));
        let sliced = file(200_000, r#","slice":[65536,40000],"extents":[]"#);
        assert_eq!(part(&[&sliced]).unwrap().digests(), 2);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let one = |extents: &str| part(&[&file(65536, &format!(r#","extents":{extents}"#)), &pack()]);
        for extents in [
            "[[0,65536,1,0]]",
            "[[0,65536,0,1]]",
            "[[8192,65536,0,0]]",
            "[[0,0,0,0]]",
            "[[0,8192,0,0],[4096,8192,0,8192]]",
            "[[0,18446744073709551615,0,0]]",
            "[[1,18446744073709551615,0,1]]",
        ] {
            assert!(one(extents).is_err(), "{extents}");
        }
        assert!(part(&[&pack(), &pack()]).is_err(), "a pack twice");
        assert!(part(&[&file(100, r#","slice":[32768,40000],"extents":[]"#)]).is_err(), "a slice beyond the file");
        assert!(part(&["{}"]).is_err());
        assert!(Part::parse(b"", &ID.parse().unwrap(), 1).is_err());
        let other = format!(r#"{{"type":"part","format":1,"backup":"{ID}","part":2}}"#);
        assert!(Part::parse(other.as_bytes(), &ID.parse().unwrap(), 1).is_err());
        let newer = format!(r#"{{"type":"part","format":2,"backup":"{ID}","part":1}}"#);
        assert_eq!(Part::parse(newer.as_bytes(), &ID.parse().unwrap(), 1), Err(ManifestError::TooNew(2)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = Part::parse(&text, &ID.parse().unwrap(), 1);
        }

        #[test]
        fn numbers_of_any_size_are_refused_or_fit(numbers in proptest::array::uniform6(proptest::num::u64::ANY)) {
            let [size, offset, length, at, run, frame] = numbers;
            let file = format!(
                r#"{{"type":"file","path":"a","size":{size},"mode":"0600","mtime":0,"slice":[{offset},{length}],"extents":[[{at},{run},0,{at}]]}}"#
            );
            let pack = format!(
                r#"{{"type":"pack","number":0,"id":{{"backup":"{ID}","number":1}},"frames":[[1,{frame}],[1,{length}]]}}"#
            );
            if let Ok(read) = part(&[&file, &pack]) {
                let extent = read.files[0].extents[0];
                proptest::prop_assert!(extent.file_offset + extent.length <= size);
                proptest::prop_assert!(extent.pack_offset + extent.length <= frame + length);
            }
        }
    }
}
