//! Reads an object as it is stored, and holds it against the list of objects when all of it was read: the commit
//! marker vouches for the list, and so for every byte.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::inward::InwardError;
use crate::codec::CodecError;
use crate::model::catalog::ObjectLine;
use crate::model::sha256::Sha256Sum;

pub struct Listed<'a, R> {
    line: &'a ObjectLine,
    stored: R,
    sha256: Sha256,
    rest: u64,
}

impl<'a, R: Read> Listed<'a, R> {
    pub fn new(line: &'a ObjectLine, stored: R) -> Listed<'a, R> {
        Listed { line, stored, sha256: Sha256::new(), rest: line.size.saturating_add(1) }
    }

    /// Reads what nobody needed, too.
    pub fn finish(mut self) -> Result<(), InwardError> {
        let key = self.line.key.clone();
        let read = io::copy(&mut self, &mut io::sink());
        read.map_err(|error| InwardError::Codec { key: key.clone(), source: CodecError::Io(error) })?;
        let (found, recorded) = (Sha256Sum(self.sha256.finalize().into()), self.line.sha256);
        if found == recorded { Ok(()) } else { Err(InwardError::OtherObject { key, found, recorded }) }
    }
}

impl<R: Read> Read for Listed<'_, R> {
    /// No more than is due, and one byte that makes it another object.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.stored.read(&mut buffer[..most])?;
        self.rest -= read as u64;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::key::Key;

    fn line(content: &[u8]) -> ObjectLine {
        ObjectLine { key: Key::new("a/b").unwrap(), size: content.len() as u64, sha256: Sha256Sum::of(content) }
    }

    #[test]
    fn every_byte_counts_whether_it_was_read_or_not() {
        let line = line(b"content");
        for (stored, is_it) in
            [(&b"content"[..], true), (b"c0ntent", false), (b"conten", false), (b"contents", false), (b"", false)]
        {
            for begin in [0, 3, 7] {
                let mut listed = Listed::new(&line, stored);
                let _ = (&mut listed).take(begin).read_to_end(&mut Vec::new()).unwrap();
                assert_eq!(listed.finish().is_ok(), is_it, "{stored:?} after {begin}");
            }
        }
    }

    #[test]
    fn an_object_without_end_is_not_read_to_it() {
        let line = line(b"content");
        assert!(Listed::new(&line, io::repeat(b'c')).finish().is_err());
    }
}
