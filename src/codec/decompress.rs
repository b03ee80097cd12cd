//! zstd frames inward: a stream of them, or one whose content's size is known.

use std::io::{self, BufReader, Read};

use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, find_frame_compressed_size, get_error_name, get_frame_content_size};

use super::error::CodecError;
use super::input::{Input, judge};

/// Greatest window (8 MiB) that a stream may ask for, as the power of two: what level 19 uses.
const MAX_WINDOW_LOG: u32 = 23;

/// The content of concatenated frames; skippable ones are skipped. Fails where there is no frame at
/// all, where the last one is cut short, and where anything else follows.
pub struct FrameReader<R: Read> {
    decoder: Decoder<'static, BufReader<Input<R>>>,
}

impl<R: Read> FrameReader<R> {
    pub fn new(input: R) -> Result<FrameReader<R>, CodecError> {
        let mut decoder = Decoder::new(Input::new(input))?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(FrameReader { decoder })
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer).map_err(judge)?;
        if read == 0 && !buffer.is_empty() && self.decoder.get_ref().get_ref().taken() == 0 {
            return Err(CodecError::damaged("it holds no zstd frame").into());
        }
        Ok(read)
    }
}

/// Opens single frames, one after another, in one context.
pub struct FrameDecompressor {
    context: DCtx<'static>,
}

impl FrameDecompressor {
    pub fn new() -> Result<FrameDecompressor, CodecError> {
        let context = DCtx::try_create().ok_or_else(|| CodecError::Io(io::ErrorKind::OutOfMemory.into()))?;
        Ok(FrameDecompressor { context })
    }

    /// Replaces `out` with the content of `frame`, which is exactly one frame of `expected` bytes. No
    /// more than that is ever allocated.
    pub fn decompress(&mut self, frame: &[u8], expected: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.clear();
        let length = find_frame_compressed_size(frame).map_err(zstd_damage)?;
        if length != frame.len() {
            return Err(CodecError::damaged(format!("a frame has {length} bytes where {} are due", frame.len())));
        }
        let content = get_frame_content_size(frame).ok().flatten();
        if content != Some(expected as u64) {
            let content = content.map_or("an unknown number of".to_owned(), |n| n.to_string());
            return Err(CodecError::damaged(format!("a frame holds {content} bytes where {expected} are due")));
        }
        // `reserve` may round up; a capacity is what bounds zstd, so it checks the size again below.
        out.reserve_exact(expected);
        let read = self.context.decompress(out, frame).map_err(zstd_damage)?;
        if read == expected {
            return Ok(());
        }
        out.clear();
        Err(CodecError::damaged(format!("a frame held {read} bytes where {expected} are due")))
    }
}

fn zstd_damage(code: usize) -> CodecError {
    CodecError::damaged(get_error_name(code))
}
