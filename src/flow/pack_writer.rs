//! Fills one pack: frames of pages, sealed as they come, kept in memory until the pack is put.

use crate::codec::{CodecError, Envelope, FrameCompressor, SealWriter, Sealer};
use crate::model::key::{ClusterKeys, Kind, PackId};
use crate::model::manifest::{Frame, MAX_FRAME};

/// Sealing adds a header per object and 16 bytes per 64 KiB; compression may add a little to what does
/// not compress. What one more frame of [`MAX_FRAME`] can take in a pack, generously.
const FRAME_RESERVE: u64 = MAX_FRAME + MAX_FRAME / 16;

/// A pack under construction.
pub struct PackWriter {
    pub id: PackId,
    writer: SealWriter<Vec<u8>>,
    frames: Vec<Frame>,
    /// Decompressed bytes of all frames so far.
    length: u64,
    /// Compressed bytes so far.
    compressed: u64,
}

/// A complete pack, ready to be put.
pub struct SealedPack {
    pub id: PackId,
    pub frames: Vec<Frame>,
    pub bytes: Vec<u8>,
}

impl PackWriter {
    pub fn new(id: PackId, keys: &ClusterKeys, sealer: &Sealer, capacity: u64) -> Result<PackWriter, CodecError> {
        let envelope = Envelope::new(keys.pack(&id), Kind::Pack);
        let writer = sealer.seal(&envelope, Vec::with_capacity(capacity as usize))?;
        Ok(PackWriter { id, writer, frames: Vec::new(), length: 0, compressed: 0 })
    }

    /// Where the next frame begins in the decompressed pack.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn add(
        &mut self,
        pages: &[u8],
        compressor: &mut FrameCompressor,
        scratch: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        scratch.clear();
        compressor.compress(pages, scratch)?;
        std::io::Write::write_all(&mut self.writer, scratch)?;
        let frame = Frame { compressed: scratch.len() as u64, length: pages.len() as u64 };
        self.frames.push(frame);
        self.length += frame.length;
        self.compressed += frame.compressed;
        Ok(())
    }

    /// Whether another frame might take the pack past `limit` bytes.
    pub fn is_full(&self, limit: u64) -> bool {
        self.compressed + FRAME_RESERVE > limit
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn finish(self) -> Result<SealedPack, CodecError> {
        Ok(SealedPack { id: self.id, frames: self.frames, bytes: self.writer.finish()? })
    }
}
