//! The names of one directory, complete and sorted. Kept in one block of memory, because a schema with
//! two million files in one directory exists.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Dir;
use rustix::io::Errno;

use super::super::error::{Error, Result};
use crate::model::relation::{Fork, RelationName};

/// Offsets are 32 bits: names of one directory fill at most 4 GiB.
const MAX_BYTES: u64 = u32::MAX as u64;

#[derive(Debug, Default)]
pub(super) struct Listing {
    bytes: Vec<u8>,
    /// Where each name lies in `bytes`; the file system bounds a name to 255 bytes.
    spans: Vec<(u32, u8)>,
    next: usize,
    /// Relations with an init fork, sorted: unlogged ones.
    unlogged: Vec<u32>,
}

impl Listing {
    /// Reads `fd` to its end. A directory removed meanwhile has no more names.
    pub fn read(fd: &OwnedFd, path: &Path) -> Result<Listing> {
        let error = |e: Errno| Error::io("list", path, e);
        let mut listing = Listing::default();
        for name in Dir::read_from(fd).map_err(error)? {
            match name {
                Ok(name) => listing.push(name.file_name().to_bytes(), path)?,
                Err(Errno::NOENT) => break,
                Err(e) => return Err(error(e)),
            }
        }
        listing.sort();
        Ok(listing)
    }

    fn push(&mut self, name: &[u8], path: &Path) -> Result<()> {
        if matches!(name, b"." | b"..") {
            return Ok(());
        }
        let offset = self.bytes.len() as u64;
        let too_large = || Error::ListingTooLarge { path: path.to_owned(), limit: MAX_BYTES };
        let length = u8::try_from(name.len()).map_err(|_| too_large())?;
        let offset = u32::try_from(offset).map_err(|_| too_large())?;
        self.bytes.extend_from_slice(name);
        self.spans.push((offset, length));
        Ok(())
    }

    fn sort(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.spans.sort_unstable_by(|a, b| name_at(&bytes, *a).cmp(name_at(&bytes, *b)));
        // Some file systems tell a name twice when the directory changes meanwhile.
        self.spans.dedup_by(|a, b| name_at(&bytes, *a) == name_at(&bytes, *b));
        self.bytes = bytes;
    }

    /// Notes which relations have an init fork; only a complete listing can tell.
    pub fn find_unlogged(&mut self) {
        let init = |span: &(u32, u8)| {
            let name = RelationName::parse(name_at(&self.bytes, *span))?;
            (name.fork == Fork::Init && name.segment == 0).then_some(name.relfilenode)
        };
        self.unlogged = self.spans.iter().filter_map(init).collect();
        self.unlogged.sort_unstable();
    }

    /// True for every fork of an unlogged relation but the init fork.
    pub fn is_unlogged(&self, name: RelationName) -> bool {
        name.fork != Fork::Init && self.unlogged.binary_search(&name.relfilenode).is_ok()
    }

    pub fn next_name(&mut self) -> Option<Vec<u8>> {
        let span = *self.spans.get(self.next)?;
        self.next += 1;
        Some(name_at(&self.bytes, span).to_vec())
    }
}

fn name_at(bytes: &[u8], (offset, length): (u32, u8)) -> &[u8] {
    &bytes[offset as usize..offset as usize + usize::from(length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_forks_make_a_relation_unlogged() {
        let mut listing = Listing::default();
        for name in [b"20_init".as_slice(), b"10", b"10", b"20", b"20_fsm", b"20.1", b"30_init.1", b"30", b"x"] {
            listing.push(name, Path::new("/")).unwrap();
        }
        listing.sort();
        listing.find_unlogged();
        let mut kept = Vec::new();
        while let Some(name) = listing.next_name() {
            if RelationName::parse(&name).is_none_or(|name| !listing.is_unlogged(name)) {
                kept.push(String::from_utf8(name).unwrap());
            }
        }
        assert_eq!(kept, ["10", "20_init", "30", "30_init.1", "x"]);
    }
}
