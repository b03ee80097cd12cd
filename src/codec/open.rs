//! Opening objects: the header is authenticated, the name in it must be the one asked for, and every
//! byte that comes out is authenticated as well. A cut or extended object fails before its end is
//! reported.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use age::stream::StreamReader;
use age::{DecryptError, Decryptor};

use super::error::CodecError;
use super::header::{Peeked, peek};
use super::identity::Identities;
use super::input::{Input, judge};
use crate::model::envelope::Envelope;
use crate::model::key::{Encryption, Key};

/// Opens objects. Cheap to clone.
#[derive(Clone)]
pub struct Opener {
    /// None in a repository without encryption.
    identities: Option<Identities>,
}

impl Opener {
    pub fn new(identities: Identities) -> Opener {
        Opener { identities: Some(identities) }
    }

    /// For a repository without encryption.
    pub fn plain() -> Opener {
        Opener { identities: None }
    }

    /// Opens the object at `expected` for reading from start to end.
    pub fn open<R: Read>(&self, expected: &Key, stored: R) -> Result<(Envelope, OpenReader<R>), CodecError> {
        let (envelope, _, reader) = self.open_input(expected, Input::with_head(stored)?)?;
        Ok((envelope, reader))
    }

    /// Opens the object at `expected` for reading parts of it. Its length is authenticated here; bytes
    /// are authenticated when they are read. `stored` stands at the object's first byte.
    pub fn open_seekable<R: Read + Seek>(
        &self,
        expected: &Key,
        stored: R,
    ) -> Result<(Envelope, SeekReader<R>), CodecError> {
        let (envelope, header_length, reader) = self.open_input(expected, Input::with_head(stored)?)?;
        Ok((envelope, SeekReader::new(reader, header_length)?))
    }

    fn open_input<R: Read>(
        &self,
        expected: &Key,
        mut input: Input<R>,
    ) -> Result<(Envelope, u64, OpenReader<R>), CodecError> {
        let encryption = if self.identities.is_some() { Encryption::Age } else { Encryption::None };
        let Peeked { envelope, header_length, .. } = peek(input.head(), encryption)?;
        let inner = match &self.identities {
            // The MAC covers the bytes that `peek` saw, so from here on the envelope is authentic.
            Some(identities) => Inner::Age(Box::new(decrypt(identities, input)?)),
            None => {
                input.consume(header_length as usize);
                Inner::Plain(input)
            }
        };
        if envelope.name != *expected {
            return Err(CodecError::Swapped { expected: expected.clone(), found: envelope.name });
        }
        Ok((envelope, header_length, OpenReader(inner)))
    }
}

fn decrypt<R: Read>(identities: &Identities, input: Input<R>) -> Result<StreamReader<Input<R>>, CodecError> {
    let decryptor = Decryptor::new_buffered(input).map_err(decrypt_error)?;
    decryptor.decrypt(identities.iter()).map_err(decrypt_error)
}

fn decrypt_error(error: DecryptError) -> CodecError {
    match error {
        DecryptError::NoMatchingKeys => CodecError::WrongIdentity,
        DecryptError::Io(error) => judge(error).into(),
        DecryptError::InvalidMac => CodecError::damaged("its header does not match its authentication code"),
        other => CodecError::damaged(other.to_string()),
    }
}

/// The body of an object: zstd frames.
pub struct OpenReader<R>(Inner<R>);

enum Inner<R> {
    Age(Box<StreamReader<Input<R>>>),
    Plain(Input<R>),
}

impl<R: Read> Read for OpenReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Age(reader) => reader.read(buffer),
            Inner::Plain(input) => input.read(buffer),
        }
        .map_err(judge)
    }
}

/// The body of an object, read in parts.
pub struct SeekReader<R> {
    inner: OpenReader<R>,
    /// Bytes before the body where it is not encrypted; `age` counts its own.
    offset: u64,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> SeekReader<R> {
    fn new(inner: OpenReader<R>, header_length: u64) -> Result<SeekReader<R>, CodecError> {
        let offset = if matches!(inner.0, Inner::Plain(_)) { header_length } else { 0 };
        let mut reader = SeekReader { inner, offset, length: 0, position: 0 };
        // With `age` this decrypts the last chunk as the last one: a cut object fails here.
        let end = reader.seek_inner(SeekFrom::End(0))?;
        reader.length = end.saturating_sub(offset);
        reader.rewind()?;
        Ok(reader)
    }

    /// Bytes of the body.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn seek_inner(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.inner.0 {
            Inner::Age(reader) => reader.seek(to),
            Inner::Plain(input) => input.seek(to),
        }
        .map_err(judge)
    }
}

impl<R: Read + Seek> Read for SeekReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for SeekReader<R> {
    /// Beyond the end is an error: whoever asks expects bytes that the object does not have.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let target = target.filter(|at| *at <= self.length);
        let Some(target) = target else {
            return Err(CodecError::damaged(format!("its body of {} bytes ends before {to:?}", self.length)).into());
        };
        self.seek_inner(SeekFrom::Start(self.offset + target))?;
        self.position = target;
        Ok(target)
    }
}
