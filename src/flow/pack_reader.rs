//! Reads the frames of one pack that are asked for, in order, each decompressed once.

use std::io::{Read, Seek, SeekFrom};

use super::inward::InwardError;
use crate::codec::{CodecError, FrameDecompressor, Opener, SeekReader};
use crate::model::key::Key;
use crate::model::manifest::Frame;
use crate::store::{ReadSeek, Reader};

type Result<T> = std::result::Result<T, InwardError>;

pub struct PackReader {
    key: Key,
    stored: SeekReader<Box<dyn ReadSeek + Send>>,
    /// Where in the compressed pack the next byte comes from.
    position: u64,
    decompressor: FrameDecompressor,
    compressed: Vec<u8>,
    frame: Vec<u8>,
}

impl PackReader {
    pub fn open(key: Key, reader: &Reader, opener: &Opener) -> Result<PackReader> {
        let stored = reader.open_seekable(&key)?;
        let fail = |source| InwardError::Codec { key: key.clone(), source };
        let (_, stored) = opener.open_seekable(&key, stored).map_err(fail)?;
        let decompressor = FrameDecompressor::new().map_err(fail)?;
        Ok(PackReader { key, stored, position: 0, decompressor, compressed: Vec::new(), frame: Vec::new() })
    }

    /// The frame that begins at `at` in the compressed pack.
    pub fn frame(&mut self, layout: Frame, at: u64) -> Result<&[u8]> {
        self.read(layout, at).map_err(|source| InwardError::Codec { key: self.key.clone(), source })?;
        Ok(&self.frame)
    }

    fn read(&mut self, layout: Frame, at: u64) -> std::result::Result<(), CodecError> {
        if self.position != at {
            self.stored.seek(SeekFrom::Start(at))?;
        }
        self.compressed.resize(layout.compressed as usize, 0);
        self.stored.read_exact(&mut self.compressed)?;
        self.position = at + layout.compressed;
        self.frame.clear();
        self.decompressor.decompress(&self.compressed, layout.length as usize, &mut self.frame)
    }
}
