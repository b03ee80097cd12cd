//! Reads the frames of one pack that are asked for, in order, each decompressed once. What lies between them is read
//! as well: the digest of the pack is of all its bytes.

use std::io::{self, Read};

use super::inward::InwardError;
use crate::codec::{CodecError, FrameDecompressor, OpenReader, Opener};
use crate::model::key::Key;
use crate::model::manifest::Frame;

type Result<T> = std::result::Result<T, InwardError>;

pub struct PackReader<'a, R> {
    key: &'a Key,
    body: OpenReader<R>,
    /// Where in the compressed pack the next byte comes from.
    position: u64,
    decompressor: FrameDecompressor,
    compressed: Vec<u8>,
    frame: Vec<u8>,
}

impl<'a, R: Read> PackReader<'a, R> {
    pub fn open(key: &'a Key, stored: R, opener: &Opener) -> Result<PackReader<'a, R>> {
        let fail = |source| InwardError::Codec { key: key.clone(), source };
        let (_, body) = opener.open(key, stored).map_err(fail)?;
        let decompressor = FrameDecompressor::new().map_err(fail)?;
        Ok(PackReader { key, body, position: 0, decompressor, compressed: Vec::new(), frame: Vec::new() })
    }

    /// The frame that begins at `at` in the compressed pack, behind those that were asked for before.
    pub fn frame(&mut self, layout: Frame, at: u64) -> Result<&[u8]> {
        self.read(layout, at).map_err(|source| InwardError::Codec { key: self.key.clone(), source })?;
        Ok(&self.frame)
    }

    fn read(&mut self, layout: Frame, at: u64) -> std::result::Result<(), CodecError> {
        io::copy(&mut (&mut self.body).take(at.saturating_sub(self.position)), &mut io::sink())?;
        self.compressed.resize(layout.compressed as usize, 0);
        self.body.read_exact(&mut self.compressed)?;
        self.position = at + layout.compressed;
        self.frame.clear();
        self.decompressor.decompress(&self.compressed, layout.length as usize, &mut self.frame)
    }
}
