//! Digests of file content: one seeded 64-bit XXH3 per 32 KiB, kept apart from the manifest because only
//! a restore that compares or verifies needs them.
//!
//! The seed is random per backup and encrypted with the digests: without it, digests of known pages
//! would tell what a page holds.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::key::BackupId;
use super::manifest::{DIGEST_BLOCK, FORMAT};

/// The first line of a digest object; little-endian digests follow, eight bytes each, in the order of
/// the file lines of the manifest part with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestHeader {
    pub format: u32,
    pub backup: BackupId,
    pub part: u32,
    /// Bytes that one digest covers.
    pub block: u64,
    /// 16 hexadecimal digits.
    pub seed: String,
    pub count: u64,
}

/// Digests of `bytes`, which begin on a block boundary of their file.
pub fn digests(bytes: &[u8], seed: u64) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(DIGEST_BLOCK as usize).map(move |block| xxh3_64_with_seed(block, seed))
}

/// The digests of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDigests {
    pub seed: u64,
    pub values: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("the header is not readable: {0}")]
    Header(String),
    #[error("the digests belong to backup {backup} part {part}")]
    OtherPart { backup: BackupId, part: u32 },
    #[error("digest format {0} is newer than {FORMAT}")]
    TooNew(u32),
    #[error("{found} bytes of digests where {expected} are due")]
    Length { expected: u64, found: u64 },
}

impl PartDigests {
    pub fn format(&self, backup: &BackupId, part: u32) -> Vec<u8> {
        let header = DigestHeader {
            format: FORMAT,
            backup: backup.clone(),
            part,
            block: DIGEST_BLOCK,
            seed: format!("{:016x}", self.seed),
            count: self.values.len() as u64,
        };
        let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// `expected` is how many digests the manifest part calls for.
    pub fn parse(bytes: &[u8], backup: &BackupId, part: u32, expected: u64) -> Result<PartDigests, DigestError> {
        let end = bytes.iter().position(|b| *b == b'\n').ok_or_else(|| DigestError::Header("no line".into()))?;
        let header: DigestHeader =
            serde_json::from_slice(&bytes[..end]).map_err(|e| DigestError::Header(e.to_string()))?;
        if header.format > FORMAT {
            return Err(DigestError::TooNew(header.format));
        }
        if header.backup != *backup || header.part != part {
            return Err(DigestError::OtherPart { backup: header.backup, part: header.part });
        }
        let seed = u64::from_str_radix(&header.seed, 16).map_err(|e| DigestError::Header(e.to_string()))?;
        let (body, due) = (&bytes[end + 1..], expected.saturating_mul(8));
        if header.block != DIGEST_BLOCK || header.count != expected || body.len() as u64 != due {
            return Err(DigestError::Length { expected: due, found: body.len() as u64 });
        }
        let values = body.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
        Ok(PartDigests { seed, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> BackupId {
        "20261120T030000Z-full-0000".parse().unwrap()
    }

    #[test]
    fn one_digest_per_block_and_one_for_the_rest() {
        let bytes = vec![7u8; DIGEST_BLOCK as usize + 1];
        let values: Vec<u64> = digests(&bytes, 1).collect();
        assert_eq!(values.len(), 2);
        assert_ne!(values, digests(&bytes, 2).collect::<Vec<_>>(), "the seed matters");
    }

    #[test]
    fn parts_survive_a_round_trip_and_nothing_else_does() {
        let part = PartDigests { seed: u64::MAX - 1, values: vec![1, u64::MAX, 3] };
        let bytes = part.format(&id(), 4);
        assert_eq!(PartDigests::parse(&bytes, &id(), 4, 3).unwrap(), part);
        assert!(PartDigests::parse(&bytes, &id(), 5, 3).is_err());
        assert!(PartDigests::parse(&bytes, &id(), 4, 4).is_err());
        assert!(PartDigests::parse(&bytes[..bytes.len() - 1], &id(), 4, 3).is_err());
        assert!(PartDigests::parse(b"", &id(), 4, 0).is_err());
    }
}
