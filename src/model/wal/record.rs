//! Record headers, and the way to a record's main data (`XLogRecord` and its fragments in `xlogrecord.h`).

use super::bytes::Fields;
use crate::model::lsn::Lsn;

/// Length of a record header (`SizeOfXLogRecord`).
pub const RECORD_HEADER: usize = 24;
/// The CRC covers what follows the header, then the header up to the CRC itself.
pub const CRC_OFFSET: usize = 20;

/// Resource managers whose records are looked into.
pub const RM_XLOG: u8 = 0;
pub const RM_XACT: u8 = 1;
pub const RM_TABLESPACE: u8 = 5;

/// Bits of `xl_info` that belong to the resource manager (`XLR_RMGR_INFO_MASK`).
pub const RMGR_INFO_MASK: u8 = 0xF0;

/// Kinds of fragment headers (`XLR_BLOCK_ID_…`) and flags within them (`BKPBLOCK_…`, `BKPIMAGE_…`).
const MAX_BLOCK_ID: u8 = 32;
const TOPLEVEL_XID: u8 = 252;
const ORIGIN: u8 = 253;
const DATA_LONG: u8 = 254;
const DATA_SHORT: u8 = 255;
const BLOCK_HAS_IMAGE: u8 = 0x10;
const BLOCK_SAME_REL: u8 = 0x80;
const IMAGE_HAS_HOLE: u8 = 0x01;
const IMAGE_COMPRESSED: u8 = 0x04 | 0x08 | 0x10;
/// Length of a `RelFileLocator`.
const REL_FILE_LOCATOR: usize = 12;

/// The header of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    pub total_length: u32,
    pub xid: u32,
    /// Where the record before this one begins.
    pub prev: Lsn,
    pub info: u8,
    pub rmid: u8,
    pub crc: u32,
}

impl RecordHeader {
    /// `None` where `bytes` is shorter than a header.
    pub fn parse(bytes: &[u8]) -> Option<RecordHeader> {
        let mut fields = Fields(bytes);
        let (total_length, xid, prev) = (fields.u32()?, fields.u32()?, Lsn(fields.u64()?));
        let (info, rmid, _padding, crc) = (fields.u8()?, fields.u8()?, fields.u16()?, fields.u32()?);
        Some(RecordHeader { total_length, xid, prev, info, rmid, crc })
    }

    /// What kind of record it is, to its resource manager.
    pub fn rmgr_info(&self) -> u8 {
        self.info & RMGR_INFO_MASK
    }
}

/// The part of the record that is its resource manager's own: the last fragment of the record. The order of
/// fragment headers is `DecodeXLogRecord`'s; `None` where the lengths do not add up.
pub fn main_data(record: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(record.get(RECORD_HEADER..)?);
    let mut blocks = 0usize;
    let mut length = 0usize;
    while fields.0.len() > blocks {
        match fields.u8()? {
            DATA_SHORT => {
                length = fields.u8()?.into();
                break;
            }
            DATA_LONG => {
                length = usize::try_from(fields.u32()?).ok()?;
                break;
            }
            ORIGIN => _ = fields.u16()?,
            TOPLEVEL_XID => _ = fields.u32()?,
            0..=MAX_BLOCK_ID => blocks += block_data_length(&mut fields)?,
            _ => return None,
        }
    }
    (fields.0.len().checked_sub(blocks)? == length).then_some(&fields.0[blocks..])
}

/// Reads one block header past its block id, and says how many bytes of data and page image the block has.
fn block_data_length(fields: &mut Fields<'_>) -> Option<usize> {
    let flags = fields.u8()?;
    let mut length = usize::from(fields.u16()?);
    if flags & BLOCK_HAS_IMAGE != 0 {
        let (image, _hole_offset, info) = (fields.u16()?, fields.u16()?, fields.u8()?);
        length += usize::from(image);
        if info & IMAGE_HAS_HOLE != 0 && info & IMAGE_COMPRESSED != 0 {
            let _hole_length = fields.u16()?;
        }
    }
    if flags & BLOCK_SAME_REL == 0 {
        fields.take(REL_FILE_LOCATOR)?;
    }
    let _block_number = fields.u32()?;
    Some(length)
}

/// The CRC of a record that lies in one piece; `record` is at least a header long.
pub fn crc_of(record: &[u8]) -> u32 {
    let (header, data) = record.split_at(RECORD_HEADER.min(record.len()));
    crc32c::crc32c_append(crc32c::crc32c(data), &header[..CRC_OFFSET.min(header.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(fragments: &[u8]) -> Vec<u8> {
        let mut record = vec![0; RECORD_HEADER];
        record.extend_from_slice(fragments);
        record
    }

    #[test]
    fn main_data_is_found_behind_origin_and_toplevel_xid() {
        let bytes = record(&[ORIGIN, 1, 0, TOPLEVEL_XID, 9, 0, 0, 0, DATA_SHORT, 3, b'a', b'b', b'c']);
        assert_eq!(main_data(&bytes), Some(&b"abc"[..]));
        assert_eq!(main_data(&record(&[DATA_LONG, 2, 0, 0, 0, 7, 8])), Some(&[7, 8][..]));
        assert_eq!(main_data(&record(&[])), Some(&[][..]));
    }

    #[test]
    fn main_data_is_found_behind_blocks() {
        let mut fragments = vec![0, BLOCK_HAS_IMAGE | 0x20, 2, 0, 4, 0, 1, 0, IMAGE_HAS_HOLE | 0x04, 5, 0];
        fragments.extend_from_slice(&[1; REL_FILE_LOCATOR]);
        fragments.extend_from_slice(&[0; 4]);
        fragments.extend_from_slice(&[1, BLOCK_SAME_REL, 0, 0, 0, 0, 0, 0]);
        fragments.extend_from_slice(&[DATA_SHORT, 1]);
        fragments.extend_from_slice(b"IMAGxxM");
        assert_eq!(main_data(&record(&fragments)), Some(&b"M"[..]));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for fragments in
            [&[DATA_SHORT, 3, 1, 2][..], &[DATA_SHORT, 1, 1, 2], &[100, 0], &[DATA_LONG, 255, 255, 255, 255]]
        {
            assert_eq!(main_data(&record(fragments)), None, "{fragments:?}");
        }
        assert_eq!(main_data(&[0; 10]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = main_data(&bytes);
            let _ = RecordHeader::parse(&bytes);
            let _ = crc_of(&bytes);
        }
    }
}
