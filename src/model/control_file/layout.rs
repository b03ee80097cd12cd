//! The structure's bytes, as the C compiler lays them out, before anything about them is believed.

use super::{CONTROL_DATA_SIZE, InvalidControlFile};

/// All that is read of `ControlFileData`, by the names of the setting or field it holds.
#[derive(Debug)]
pub(super) struct Unchecked {
    pub system_identifier: u64,
    pub pg_control_version: u32,
    pub catalog_version_no: u32,
    pub state: u32,
    pub checkpoint: u64,
    pub redo: u64,
    pub timeline: u32,
    pub previous_timeline: u32,
    pub checkpoint_time: i64,
    pub min_recovery_point: u64,
    pub min_recovery_timeline: u32,
    pub backup_start_point: u64,
    pub backup_end_point: u64,
    pub backup_end_required: bool,
    pub wal_level: i32,
    pub wal_log_hints: bool,
    pub max_connections: i32,
    pub max_worker_processes: i32,
    pub max_wal_senders: i32,
    pub max_prepared_transactions: i32,
    pub max_locks_per_transaction: i32,
    pub track_commit_timestamp: bool,
    pub max_align: u32,
    pub float_format: f64,
    pub page_size: u32,
    pub pages_per_segment: u32,
    pub wal_page_size: u32,
    pub wal_segment_size: u32,
    pub data_checksums: u32,
    pub default_char_signedness: Option<bool>,
}

/// The part of `CheckPoint` that is read.
struct CheckPoint {
    redo: u64,
    timeline: u32,
    previous_timeline: u32,
    time: i64,
}

const NONCE_SIZE: usize = 32;

impl Unchecked {
    /// Checks length, version and checksum; no other value.
    pub fn parse(bytes: &[u8]) -> Result<Unchecked, InvalidControlFile> {
        let data = bytes.first_chunk::<CONTROL_DATA_SIZE>().ok_or(InvalidControlFile::Short(bytes.len()))?;
        let mut fields = Fields { data, at: 0 };
        let unchecked = Unchecked::read(&mut fields)?;
        fields.align(4);
        let computed = crc32c::crc32c(&data[..fields.at]);
        let found = fields.u32();
        if found == computed { Ok(unchecked) } else { Err(InvalidControlFile::Checksum { found, computed }) }
    }

    fn read(fields: &mut Fields) -> Result<Unchecked, InvalidControlFile> {
        let system_identifier = fields.u64();
        let version = fields.u32();
        if !matches!(version, 1300 | 1700 | 1800 | 1902 | 1903) {
            return Err(InvalidControlFile::Version(version));
        }
        let catalog_version_no = fields.u32();
        let state = fields.u32();
        let _time = fields.u64();
        let checkpoint = fields.u64();
        let last = CheckPoint::read(fields, version);
        let _unlogged_lsn = fields.u64();
        // A struct's fields are evaluated in the order they are written: PostgreSQL's.
        Ok(Unchecked {
            system_identifier,
            pg_control_version: version,
            catalog_version_no,
            state,
            checkpoint,
            redo: last.redo,
            timeline: last.timeline,
            previous_timeline: last.previous_timeline,
            checkpoint_time: last.time,
            min_recovery_point: fields.u64(),
            min_recovery_timeline: fields.u32(),
            backup_start_point: fields.u64(),
            backup_end_point: fields.u64(),
            backup_end_required: fields.bool(),
            wal_level: fields.i32(),
            wal_log_hints: fields.bool(),
            max_connections: fields.i32(),
            max_worker_processes: fields.i32(),
            max_wal_senders: fields.i32(),
            max_prepared_transactions: fields.i32(),
            max_locks_per_transaction: fields.i32(),
            track_commit_timestamp: fields.bool(),
            max_align: fields.u32(),
            float_format: f64::from_bits(fields.u64()),
            page_size: fields.u32(),
            pages_per_segment: fields.u32(),
            wal_page_size: {
                fields.skip_u32_from(version, 1900); // slru_pages_per_segment
                fields.u32()
            },
            wal_segment_size: fields.u32(),
            data_checksums: {
                // nameDataLen, indexMaxKeys, toast_max_chunk_size, loblksize, float8ByVal
                fields.skip(4 * 4 + 1);
                fields.skip_u32_from(version, 1903); // data_checksum_version_init
                fields.u32()
            },
            default_char_signedness: (version >= 1800).then(|| fields.bool()),
        })
        .inspect(|_| fields.skip(NONCE_SIZE))
    }
}

impl CheckPoint {
    fn read(fields: &mut Fields, version: u32) -> CheckPoint {
        let redo = fields.u64();
        let timeline = fields.u32();
        let previous_timeline = fields.u32();
        let _full_page_writes = fields.bool();
        fields.skip_u32_from(version, 1700); // wal_level
        if version >= 1900 {
            let _logical_decoding = fields.bool();
        }
        let _next_xid = fields.u64();
        // nextOid and nextMulti, then nextMultiOffset, 64 bits wide from 19 on
        fields.skip(2 * 4);
        let _next_multi_offset = if version >= 1900 { fields.u64() } else { u64::from(fields.u32()) };
        fields.skip(4 * 4); // oldest xid and multixact, with their databases
        let time = fields.u64() as i64;
        fields.skip(3 * 4); // two commit timestamp xids, the oldest active one
        fields.skip_u32_from(version, 1902); // data checksum state
        fields.align(8);
        CheckPoint { redo, timeline, previous_timeline, time }
    }
}

/// Fields in sequence, each aligned to its own size. The greatest layout ends well before
/// `CONTROL_DATA_SIZE`; a test holds every version against that.
struct Fields<'a> {
    data: &'a [u8; CONTROL_DATA_SIZE],
    at: usize,
}

impl Fields<'_> {
    fn align(&mut self, size: usize) {
        self.at = self.at.next_multiple_of(size);
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// A 32-bit field that exists from one version on.
    fn skip_u32_from(&mut self, version: u32, first: u32) {
        if version >= first {
            self.u32();
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.align(N);
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.data[self.at..self.at + N]);
        self.at += N;
        bytes
    }

    fn bool(&mut self) -> bool {
        self.take::<1>() != [0]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
