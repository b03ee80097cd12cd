//! The reader below the decoders. It marks errors of its own, so that what comes out above is either
//! the store's error, unchanged, or damage.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::error::CodecError;
use super::header::MAX_HEADER;

/// An error that came from below, in a wrapping that decoders hand through.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct FromBelow(io::Error);

fn mark(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), FromBelow(error))
}

/// What a decoder's error means.
pub(super) fn judge(error: io::Error) -> io::Error {
    match error.downcast::<FromBelow>() {
        Ok(FromBelow(error)) => error,
        Err(error) => match error.downcast::<CodecError>() {
            Ok(known) => known.into(),
            Err(error) => CodecError::damaged(error.to_string()).into(),
        },
    }
}

/// Reads from `inner`, first what was read ahead to find the header.
pub(super) struct Input<R> {
    ahead: Vec<u8>,
    at: usize,
    inner: R,
    /// Bytes handed out.
    taken: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Input<R> {
        Input { ahead: Vec::new(), at: 0, inner, taken: 0 }
    }

    /// Reads ahead as far as a header may reach.
    pub(super) fn with_head(mut inner: R) -> io::Result<Input<R>> {
        let mut ahead = Vec::with_capacity(MAX_HEADER);
        inner.by_ref().take(MAX_HEADER as u64).read_to_end(&mut ahead)?;
        Ok(Input { ahead, ..Input::new(inner) })
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.ahead[self.at..]
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.head() {
            [] => self.inner.read(buffer).map_err(mark)?,
            mut head => head.read(buffer)?,
        };
        self.at = (self.at + read).min(self.ahead.len());
        self.taken += read as u64;
        Ok(read)
    }
}

/// `age` parses headers by line from a `BufRead`, and byte by byte from any other reader.
impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.head().is_empty() {
            self.ahead.resize(MAX_HEADER, 0);
            let read = self.inner.read(&mut self.ahead).map_err(mark);
            self.ahead.truncate(*read.as_ref().unwrap_or(&0));
            self.at = 0;
            read?;
        }
        Ok(&self.ahead[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.ahead.len());
        self.taken += amount as u64;
    }
}

impl<R: Read + Seek> Seek for Input<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let unread = self.head().len() as i64;
        let to = match to {
            SeekFrom::Current(0) => {
                let position = self.inner.stream_position().map_err(mark)?;
                return Ok(position.saturating_sub(unread as u64));
            }
            SeekFrom::Current(by) => SeekFrom::Current(by.saturating_sub(unread)),
            other => other,
        };
        self.at = self.ahead.len();
        self.inner.seek(to).map_err(mark)
    }
}
