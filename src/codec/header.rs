//! The first bytes of a closed object, read without a key: the envelope and where the body begins.
//!
//! With encryption they are an `age` header whose first stanza is `-> pgcairn 1 <kind>` with the JSON
//! line as its body; without, a skippable zstd frame with `pgcairn 1 <kind>`, a line feed, the JSON
//! line and another line feed.

use age_core::format::read::age_stanza;

use super::error::CodecError;
use super::recipient::MAX_RECIPIENTS;
use crate::model::envelope::{ENVELOPE_TAG, Envelope, EnvelopeError, MAX_ENVELOPE};
use crate::model::key::Encryption;

/// Longest header. [`peek`] wants as many bytes of an object, or all where it has fewer.
pub const MAX_HEADER: usize = 8 << 10;

const AGE_MAGIC: &[u8] = b"age-encryption.org/v1\n";
const AGE_MAC: &[u8] = b"--- ";
/// 32 bytes in base64, and the line feed.
const AGE_MAC_LENGTH: usize = 43 + 1;

/// Follows the header: the nonce that the body's key is derived with.
const AGE_NONCE: u64 = 16;
/// The body is cut into chunks of this size, each with a tag.
const AGE_CHUNK: u64 = 64 << 10;
const AGE_TAG: u64 = 16;

/// The first of zstd's 16 magic numbers of skippable frames.
pub(super) const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;
/// The words, the JSON line and their line feeds.
const MAX_SKIPPABLE: usize = MAX_ENVELOPE + 64;

/// X25519 stanza: `-> X25519 `, 43 of base64, 43 of base64 and two line feeds. Grease: below 256.
const MAX_STANZA: usize = 98;
const _: () =
    assert!(AGE_MAGIC.len() + 2 * MAX_SKIPPABLE + MAX_RECIPIENTS * MAX_STANZA + 256 + AGE_MAC_LENGTH < MAX_HEADER);

/// What [`peek`] found. Nothing of it is authenticated: only [`super::Opener`] proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    pub envelope: Envelope,
    /// Bytes before the body (with `age`, before its nonce).
    pub header_length: u64,
    encryption: Encryption,
}

impl Peeked {
    /// Exactly the size that the object has in the store if it holds `compressed` bytes of zstd frames.
    pub fn stored_size(&self, compressed: u64) -> u64 {
        match self.encryption {
            Encryption::None => self.header_length.saturating_add(compressed),
            Encryption::Age => {
                let tags = compressed.div_ceil(AGE_CHUNK).max(1).saturating_mul(AGE_TAG);
                self.header_length.saturating_add(AGE_NONCE).saturating_add(compressed).saturating_add(tags)
            }
        }
    }
}

/// Reads the envelope from the first [`MAX_HEADER`] bytes of an object.
pub fn peek(start: &[u8], encryption: Encryption) -> Result<Peeked, CodecError> {
    let (envelope, rest) = match encryption {
        Encryption::Age => age_header(start)?,
        Encryption::None => skippable_frame(start)?,
    };
    let header_length = (start.len() - rest.len()) as u64;
    Ok(Peeked { envelope, header_length, encryption })
}

/// The envelope and what follows the header.
fn age_header(start: &[u8]) -> Result<(Envelope, &[u8]), CodecError> {
    let magic = start.strip_prefix(AGE_MAGIC);
    let mut rest = magic.ok_or_else(|| CodecError::damaged("it does not begin with an age header"))?;
    let mut envelope = None;
    while !rest.starts_with(AGE_MAC) {
        let (after, stanza) = age_stanza(rest).map_err(|_| unfinished())?;
        if envelope.is_none() {
            envelope = Some(first_stanza(stanza.tag, &stanza.args, &stanza.body())?);
        }
        rest = after;
    }
    let rest = rest.get(AGE_MAC.len() + AGE_MAC_LENGTH..).ok_or_else(unfinished)?;
    Ok((envelope.ok_or_else(no_envelope)?, rest))
}

fn first_stanza(tag: &str, words: &[&str], body: &[u8]) -> Result<Envelope, CodecError> {
    if tag == ENVELOPE_TAG { Ok(Envelope::parse(words, body)?) } else { Err(no_envelope()) }
}

fn no_envelope() -> CodecError {
    CodecError::damaged("it carries no pgcairn envelope")
}

fn unfinished() -> CodecError {
    CodecError::damaged("its header is cut short or malformed")
}

fn skippable_frame(start: &[u8]) -> Result<(Envelope, &[u8]), CodecError> {
    let (magic, rest) = start.split_first_chunk().ok_or_else(unfinished)?;
    if u32::from_le_bytes(*magic) != SKIPPABLE_MAGIC {
        return Err(CodecError::damaged("it does not begin with a pgcairn envelope"));
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(unfinished)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_SKIPPABLE {
        return Err(EnvelopeError::TooLong(length).into());
    }
    let (content, rest) = rest.split_at_checked(length).ok_or_else(unfinished)?;
    Ok((skippable_content(content)?, rest))
}

fn skippable_content(content: &[u8]) -> Result<Envelope, CodecError> {
    let text = std::str::from_utf8(content).map_err(|_| unfinished())?;
    let (words, json) = text.split_once('\n').ok_or_else(no_envelope)?;
    let json = json.strip_suffix('\n').ok_or_else(unfinished)?;
    let words: Vec<&str> = words.split(' ').collect();
    let (tag, words) = words.split_first().ok_or_else(no_envelope)?;
    first_stanza(tag, words, json.as_bytes())
}
