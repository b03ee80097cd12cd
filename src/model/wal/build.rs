//! For tests: writes WAL as `CopyXLogRecordToWAL` and `AdvanceXLInsertBuffer` do.

use super::format::WalFormat;
use super::page::{FIRST_IS_CONTRECORD, LONG_HEADER_FLAG, WalIdentity};
use super::record::{CRC_OFFSET, RECORD_HEADER, RM_XACT, RM_XLOG, crc_of};
use super::{MAX_ALIGN, max_align};
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;

pub(crate) const SYSTEM: u64 = 7_123_456_789_012_345_678;
pub(crate) const SEGMENT: u64 = 1 << 20;

/// WAL from the beginning of a segment on.
pub(crate) struct WalBuilder {
    pub identity: WalIdentity,
    pub timeline: TimelineId,
    pub start: Lsn,
    pub bytes: Vec<u8>,
    pub prev: Lsn,
    /// Where each record begins, in order.
    pub records: Vec<Lsn>,
    block_size: usize,
}

impl WalBuilder {
    pub fn new(major: u32, segment: u64) -> WalBuilder {
        let format = WalFormat::of_major(major).unwrap();
        let identity = WalIdentity { format, system_identifier: Some(SYSTEM), segment_size: SEGMENT };
        let start = Lsn(segment * SEGMENT);
        let prev = Lsn(start.0.saturating_sub(100 * MAX_ALIGN as u64));
        WalBuilder { identity, timeline: 1, start, bytes: Vec::new(), prev, records: Vec::new(), block_size: 8192 }
    }

    pub fn position(&self) -> Lsn {
        Lsn(self.start.0 + self.bytes.len() as u64)
    }

    /// Starts a page where one is due; `remaining` bytes of a record are still to come.
    fn page_header(&mut self, flags: u16, remaining: u32) {
        if !self.bytes.len().is_multiple_of(self.block_size) {
            return;
        }
        let address = self.position();
        let long = address.offset_in_segment(SEGMENT) == 0;
        let info =
            flags | if long { LONG_HEADER_FLAG } else { 0 } | if remaining > 0 { FIRST_IS_CONTRECORD } else { 0 };
        self.bytes.extend(self.identity.format.magic().to_le_bytes());
        self.bytes.extend(info.to_le_bytes());
        self.bytes.extend(self.timeline.to_le_bytes());
        self.bytes.extend(address.0.to_le_bytes());
        self.bytes.extend(remaining.to_le_bytes());
        self.bytes.extend([0; 4]);
        if long {
            self.bytes.extend(SYSTEM.to_le_bytes());
            self.bytes.extend((SEGMENT as u32).to_le_bytes());
            self.bytes.extend((self.block_size as u32).to_le_bytes());
        }
    }

    /// A record with nothing but main data; returns where it begins.
    pub fn record(&mut self, rmid: u8, info: u8, xid: u32, data: &[u8]) -> Lsn {
        self.page_header(0, 0);
        let lsn = self.position();
        let record = self.encode(rmid, info, xid, data);
        self.put(&record);
        self.prev = lsn;
        self.records.push(lsn);
        lsn
    }

    pub fn encode(&self, rmid: u8, info: u8, xid: u32, data: &[u8]) -> Vec<u8> {
        let mut record = vec![0; RECORD_HEADER];
        match u8::try_from(data.len()) {
            Ok(0) => {}
            Ok(length) => record.extend([255, length]),
            Err(_) => {
                record.push(254);
                record.extend((data.len() as u32).to_le_bytes());
            }
        }
        record.extend(data);
        let total = record.len() as u32;
        record[..4].copy_from_slice(&total.to_le_bytes());
        record[4..8].copy_from_slice(&xid.to_le_bytes());
        record[8..16].copy_from_slice(&self.prev.0.to_le_bytes());
        record[16..18].copy_from_slice(&[info, rmid]);
        let crc = crc_of(&record);
        record[CRC_OFFSET..RECORD_HEADER].copy_from_slice(&crc.to_le_bytes());
        record
    }

    /// Writes bytes of a record across pages, and pads behind it.
    pub fn put(&mut self, mut record: &[u8]) {
        while !record.is_empty() {
            let space = self.block_size - self.bytes.len() % self.block_size;
            let (piece, rest) = record.split_at(record.len().min(space));
            self.bytes.extend(piece);
            record = rest;
            if !rest.is_empty() {
                self.page_header(0, rest.len() as u32);
            }
        }
        let aligned = max_align(self.bytes.len());
        self.bytes.resize(aligned, 0);
    }

    pub fn commit(&mut self, xid: u32, time: i64) -> Lsn {
        self.record(RM_XACT, 0x00, xid, &time.to_le_bytes())
    }

    pub fn abort(&mut self, xid: u32, time: i64) -> Lsn {
        self.record(RM_XACT, 0x20, xid, &time.to_le_bytes())
    }

    pub fn restore_point(&mut self, name: &str, time: i64) -> Lsn {
        let mut data = time.to_le_bytes().to_vec();
        data.extend(name.as_bytes());
        data.resize(8 + 64, 0);
        self.record(RM_XLOG, 0x70, 0, &data)
    }

    /// A record that is not looked into (heap).
    pub fn heap(&mut self, xid: u32, length: usize) -> Lsn {
        self.record(10, 0x00, xid, &vec![0xA5; length])
    }

    /// A shutdown checkpoint, at which `self.timeline` follows `previous`.
    pub fn checkpoint(&mut self, previous: TimelineId) -> Lsn {
        let mut data = self.position().0.to_le_bytes().to_vec();
        data.extend(self.timeline.to_le_bytes());
        data.extend(previous.to_le_bytes());
        data.resize(88, 0);
        self.record(RM_XLOG, 0x00, 0, &data)
    }

    pub fn switch(&mut self) -> Lsn {
        let lsn = self.record(RM_XLOG, 0x40, 0, &[]);
        self.fill_segment();
        lsn
    }

    /// Zeroes up to the end of the segment.
    pub fn fill_segment(&mut self) {
        let length = self.bytes.len().next_multiple_of(SEGMENT as usize);
        self.bytes.resize(length, 0);
    }

    /// Fills the segment to its last byte with records, the last of which goes `into_next` bytes further.
    pub fn fill_with_records(&mut self, into_next: usize) {
        self.page_header(0, 0);
        let end = self.bytes.len().next_multiple_of(SEGMENT as usize);
        while end - self.bytes.len() > 3 * self.block_size {
            self.heap(1, 3000);
        }
        while end - self.bytes.len() > 1000 {
            self.heap(1, 100);
        }
        let overhead = RECORD_HEADER + 5;
        self.heap(1, end - self.bytes.len() + into_next - overhead);
    }

    /// What follows a crash that lost the rest of the record at `lost`: the page that should hold it begins with
    /// `XLOG_OVERWRITE_CONTRECORD` instead (`CreateOverwriteContrecordRecord`).
    pub fn overwrite(&mut self, lost: Lsn, time: i64) -> Lsn {
        self.page_header(self.identity.format.overwrite_flag, 0);
        let mut data = lost.0.to_le_bytes().to_vec();
        data.extend(time.to_le_bytes());
        let lsn = self.position();
        let record = self.encode(RM_XLOG, 0xD0, 0, &data);
        self.put(&record);
        self.prev = lsn;
        self.records.push(lsn);
        lsn
    }

    /// Begins a record and gives up after the page it begins on; returns where it began.
    pub fn lose_record(&mut self, length: usize) -> Lsn {
        self.page_header(0, 0);
        let lsn = self.position();
        let record = self.encode(10, 0, 1, &vec![1; length]);
        let space = self.block_size - self.bytes.len() % self.block_size;
        assert!(record.len() > space);
        self.bytes.extend(&record[..space]);
        lsn
    }
}
