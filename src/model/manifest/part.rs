//! A manifest part as it is read: nothing of it is used before all of it fits together.

use super::{DIGEST_BLOCK, Directory, FORMAT, FileSlice, Line, Link, Pack, PartHeader};
use crate::model::key::BackupId;

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
