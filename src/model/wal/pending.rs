//! A record that is longer than what its first page holds, while its pieces arrive.

use super::record::{CRC_OFFSET, RECORD_HEADER, RecordHeader};
use crate::model::lsn::Lsn;

/// Only the checksum is carried along; the bytes themselves are kept for the few records that are opened, and
/// grow as they arrive, never to a length that is merely announced.
#[derive(Debug)]
pub(super) struct Pending {
    pub lsn: Lsn,
    pub total: u32,
    got: u32,
    head: [u8; RECORD_HEADER],
    crc: u32,
    kept: Option<Vec<u8>>,
}

impl Pending {
    pub fn new(lsn: Lsn, total: u32) -> Pending {
        Pending { lsn, total, got: 0, head: [0; RECORD_HEADER], crc: 0, kept: None }
    }

    pub fn missing(&self) -> u32 {
        self.total - self.got
    }

    /// The header, once all of it is there.
    pub fn header(&self) -> Option<RecordHeader> {
        if self.got as usize >= RECORD_HEADER { RecordHeader::parse(&self.head) } else { None }
    }

    /// Takes what belongs to the header off the front of `piece`; true when that completes it.
    pub fn push_header(&mut self, piece: &mut &[u8]) -> bool {
        let filled = (self.got as usize).min(RECORD_HEADER);
        let length = piece.len().min(RECORD_HEADER - filled);
        let (taken, rest) = piece.split_at(length);
        self.head[filled..filled + length].copy_from_slice(taken);
        self.got += length as u32;
        *piece = rest;
        length > 0 && filled + length == RECORD_HEADER
    }

    /// From now on the bytes are kept.
    pub fn keep(&mut self) {
        self.kept = Some(self.head.to_vec());
    }

    pub fn push_data(&mut self, piece: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, piece);
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(piece);
        }
        self.got += piece.len() as u32;
    }

    pub fn computed_crc(&self) -> u32 {
        crc32c::crc32c_append(self.crc, &self.head[..CRC_OFFSET])
    }

    /// The whole record, where it was kept.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.kept.as_deref()
    }
}
