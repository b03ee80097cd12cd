//! A stream of a dump inward, piece by piece. Nothing of a piece is handed out before all of it was found to be what the
//! marker vouches for; one that is not is read from another repository where there is one.

use std::io::{Cursor, Read};

use super::inward::InwardError;
use super::listed::Listed;
use crate::codec::{CodecError, FrameReader, Opener};
use crate::model::catalog::{ObjectLine, ObjectList};
use crate::model::dump::Stream;
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::manifest::MAX_PACK;
use crate::store::Reader;

/// Handed out at once.
const CHUNK: usize = 256 << 10;

pub struct StreamReader<'a> {
    pub reader: &'a Reader,
    pub keys: &'a ClusterKeys,
    pub dump: &'a BackupId,
    pub objects: &'a ObjectList,
    pub opener: &'a Opener,
}

impl StreamReader<'_> {
    pub fn read<E: From<InwardError>>(
        &self,
        stream: &Stream,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read_while(stream, |bytes| each(bytes).map(|()| true))
    }

    /// The same until whoever takes it wants no more.
    pub fn read_while<E: From<InwardError>>(
        &self,
        stream: &Stream,
        mut each: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        let (mut chunk, mut length) = (vec![0; CHUNK], 0);
        for number in &stream.pieces {
            let key = self.keys.dump_piece(self.dump, *number);
            let stored = sound(self.reader, self.objects, &key)?;
            let fail = |source| InwardError::Codec { key: key.clone(), source };
            let (_, body) = self.opener.open(&key, Cursor::new(stored)).map_err(fail)?;
            let mut frames = FrameReader::new(body).map_err(fail)?;
            loop {
                match frames.read(&mut chunk).map_err(|error| fail(CodecError::Io(error)))? {
                    0 => break,
                    read => {
                        length += read as u64;
                        if !each(&chunk[..read])? {
                            return Ok(());
                        }
                    }
                }
            }
        }
        match length == stream.bytes {
            true => Ok(()),
            false => {
                let key = self.keys.dump_contents(self.dump);
                Err(InwardError::OtherLength { key, found: length, recorded: stream.bytes }.into())
            }
        }
    }
}

/// All bytes of an object as they are stored, and as they are listed.
pub fn sound(reader: &Reader, objects: &ObjectList, key: &Key) -> Result<Vec<u8>, InwardError> {
    let line = objects.get(key).ok_or_else(|| InwardError::NotListed { key: key.clone() })?;
    loop {
        match whole(reader, line) {
            Err(_) if reader.turn_from(key) => {}
            whole => return whole,
        }
    }
}

fn whole(reader: &Reader, line: &ObjectLine) -> Result<Vec<u8>, InwardError> {
    let mut listed = Listed::new(line, reader.get(&line.key)?);
    let mut bytes = Vec::with_capacity(line.size.min(MAX_PACK) as usize);
    let read = listed.read_to_end(&mut bytes);
    read.map_err(|error| InwardError::Codec { key: line.key.clone(), source: CodecError::Io(error) })?;
    listed.finish().map(|()| bytes)
}
