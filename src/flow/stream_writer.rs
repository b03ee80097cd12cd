//! A stream of unknown length outward, such as `pg_dump` or `COPY` gives: frames, cut into pieces that are put while the
//! next one fills. So memory is bounded, and what failed to arrive is one piece.

use std::sync::atomic::{AtomicU32, Ordering};

use super::part_writer::OutwardError;
use super::upload::{Upload, Uploads};
use crate::codec::{CodecError, Envelope, FRAME_SIZE, FrameCompressor, SealWriter, Sealer};
use crate::model::dump::Stream;
use crate::model::key::{BackupId, ClusterKeys, Key, Kind};

/// What another frame can take in a piece, generously.
const FRAME_RESERVE: usize = FRAME_SIZE + FRAME_SIZE / 16;

type Result<T> = std::result::Result<T, OutwardError>;

/// What all streams of one dump have in common.
pub struct PieceContext<'a> {
    pub dump: &'a BackupId,
    pub keys: &'a ClusterKeys,
    pub sealer: &'a Sealer,
    /// The last number that was given to a piece.
    pub numbers: &'a AtomicU32,
    /// zstd level.
    pub level: i32,
    /// Bytes of a piece as stored.
    pub limit: u64,
}

pub struct StreamWriter<'a> {
    context: &'a PieceContext<'a>,
    uploads: &'a Uploads<'a>,
    compressor: FrameCompressor,
    /// Waits for its frame.
    content: Vec<u8>,
    frame: Vec<u8>,
    piece: Option<Piece>,
    stream: Stream,
}

struct Piece {
    key: Key,
    writer: SealWriter<Vec<u8>>,
    compressed: usize,
}

impl<'a> StreamWriter<'a> {
    pub fn new(context: &'a PieceContext<'a>, uploads: &'a Uploads<'a>) -> Result<StreamWriter<'a>> {
        Ok(StreamWriter {
            context,
            uploads,
            compressor: FrameCompressor::new(context.level)?,
            content: Vec::with_capacity(FRAME_SIZE),
            frame: Vec::new(),
            piece: None,
            stream: Stream::default(),
        })
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.stream.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(FRAME_SIZE - self.content.len()));
            self.content.extend_from_slice(now);
            bytes = later;
            if self.content.len() == FRAME_SIZE {
                self.write_frame()?;
            }
        }
        Ok(())
    }

    /// Ends the stream, which has a piece even where it is empty. The writer is ready for the next one.
    pub fn finish(&mut self) -> Result<Stream> {
        if !self.content.is_empty() || self.stream.pieces.is_empty() {
            self.write_frame()?;
        }
        self.end_piece()?;
        Ok(std::mem::take(&mut self.stream))
    }

    fn write_frame(&mut self) -> Result<()> {
        self.frame.clear();
        self.compressor.compress(&self.content, &mut self.frame)?;
        self.content.clear();
        let mut piece = match self.piece.take() {
            Some(piece) => piece,
            None => self.begin_piece()?,
        };
        std::io::Write::write_all(&mut piece.writer, &self.frame).map_err(CodecError::from)?;
        piece.compressed += self.frame.len();
        let is_full = (piece.compressed + FRAME_RESERVE) as u64 > self.context.limit;
        self.piece = Some(piece);
        if is_full { self.end_piece() } else { Ok(()) }
    }

    fn begin_piece(&mut self) -> Result<Piece> {
        let PieceContext { dump, keys, sealer, numbers, limit, .. } = self.context;
        let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let key = keys.dump_piece(dump, number);
        let writer = sealer.seal(&Envelope::new(key.clone(), Kind::Dump), Vec::with_capacity(*limit as usize))?;
        self.stream.pieces.push(number);
        Ok(Piece { key, writer, compressed: 0 })
    }

    fn end_piece(&mut self) -> Result<()> {
        let Some(Piece { key, writer, .. }) = self.piece.take() else { return Ok(()) };
        let bytes = writer.finish().map_err(CodecError::from)?;
        self.uploads.send(Upload { key, bytes }).map_err(|_| OutwardError::UploadsEnded)
    }
}
