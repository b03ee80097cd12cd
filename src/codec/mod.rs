//! zstd and age, push and pull; no I/O of its own.
//!
//! Outward: [`FrameCompressor`] or [`FrameWriter`], then [`Sealer`]. Inward: [`Opener`], then
//! [`FrameReader`] or [`FrameDecompressor`]. [`peek`] reads an envelope without a key.

mod compress;
mod decompress;
mod error;
mod header;
mod identity;
mod input;
mod open;
mod recipient;
mod seal;
#[cfg(test)]
mod tests;

pub use crate::model::envelope::Envelope;
pub use compress::{FRAME_SIZE, FrameCompressor, FrameWriter, MAX_LEVEL, MIN_LEVEL};
pub use decompress::{FrameDecompressor, FrameReader};
pub use error::CodecError;
pub use header::{MAX_HEADER, Peeked, peek};
pub use identity::{Identities, IdentityError, MAX_IDENTITY_FILE};
pub use open::{OpenReader, Opener, SeekReader};
pub use recipient::{MAX_RECIPIENTS, Recipient, RecipientError, generate_identity, parse_recipient};
pub use seal::{SealWriter, Sealer};
