//! zstd frames outward. Every frame names its content's size and ends with a checksum of it.

use std::io::{self, Cursor, Write};

use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

use super::error::CodecError;

/// zstd levels. Above 19 the window outgrows what readers allow.
pub const MIN_LEVEL: i32 = 1;
pub const MAX_LEVEL: i32 = 19;

/// Content of one frame of a stream.
pub const FRAME_SIZE: usize = 1 << 20;

/// Makes frames, one after another, in one context.
pub struct FrameCompressor {
    context: CCtx<'static>,
}

impl FrameCompressor {
    pub fn new(level: i32) -> Result<FrameCompressor, CodecError> {
        if !(MIN_LEVEL..=MAX_LEVEL).contains(&level) {
            return Err(CodecError::Level { given: level, min: MIN_LEVEL, max: MAX_LEVEL });
        }
        let mut context = CCtx::try_create().ok_or_else(|| CodecError::Io(io::ErrorKind::OutOfMemory.into()))?;
        for parameter in
            [CParameter::CompressionLevel(level), CParameter::ContentSizeFlag(true), CParameter::ChecksumFlag(true)]
        {
            context.set_parameter(parameter).map_err(zstd_error)?;
        }
        Ok(FrameCompressor { context })
    }

    /// Appends one frame with all of `input` to `out` and returns the frame's length.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, CodecError> {
        out.reserve(compress_bound(input.len()));
        let start = out.len();
        // A cursor at the end makes zstd write into the spare capacity, without zeroing it first.
        let mut cursor = Cursor::new(std::mem::take(out));
        cursor.set_position(start as u64);
        let result = self.context.compress2(&mut cursor, input).map_err(zstd_error);
        *out = cursor.into_inner();
        result
    }
}

fn zstd_error(code: usize) -> CodecError {
    CodecError::Io(io::Error::other(get_error_name(code)))
}

/// Compresses a stream into frames of [`FRAME_SIZE`], at least one.
pub struct FrameWriter<W: Write> {
    compressor: FrameCompressor,
    content: Vec<u8>,
    frame: Vec<u8>,
    frames: u64,
    output: W,
}

impl<W: Write> FrameWriter<W> {
    pub fn new(output: W, level: i32) -> Result<FrameWriter<W>, CodecError> {
        let compressor = FrameCompressor::new(level)?;
        Ok(FrameWriter { compressor, content: Vec::with_capacity(FRAME_SIZE), frame: Vec::new(), frames: 0, output })
    }

    /// Writes the last frame. Without it the end of the stream is lost.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.content.is_empty() || self.frames == 0 {
            self.write_frame()?;
        }
        Ok(self.output)
    }

    fn write_frame(&mut self) -> io::Result<()> {
        self.frame.clear();
        self.compressor.compress(&self.content, &mut self.frame)?;
        self.content.clear();
        self.frames += 1;
        self.output.write_all(&self.frame)
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(FRAME_SIZE - self.content.len());
        self.content.extend_from_slice(&bytes[..taken]);
        if self.content.len() == FRAME_SIZE {
            self.write_frame()?;
        }
        Ok(taken)
    }

    /// Does not cut a frame short.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
