//! `global/pg_control`: which cluster this is, where its last checkpoint lies, and the settings that a
//! restored copy must not fall below. Read as written by PostgreSQL 14 to 19 on 64-bit little-endian
//! machines (`ControlFileData` and `CheckPoint` in pg_control.h).

mod layout;

use super::lsn::Lsn;
use super::wal_name::{MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE, TimelineId};
use layout::Unchecked;

/// `PG_CONTROL_FILE_SIZE`. What lies behind the structure is zero.
pub const CONTROL_FILE_SIZE: usize = 8192;
/// `PG_CONTROL_MAX_SAFE_SIZE`: the structure is never longer, so that it fits one disk sector.
pub const CONTROL_DATA_SIZE: usize = 512;

/// Smallest and greatest `BLCKSZ` and `XLOG_BLCKSZ`.
pub const MIN_PAGE_SIZE: u32 = 1 << 10;
pub const MAX_PAGE_SIZE: u32 = 1 << 15;
pub const MAX_WAL_PAGE_SIZE: u32 = 1 << 16;

const MAX_ALIGN: u32 = 8;
const FLOAT_FORMAT: f64 = 1_234_567.0;

/// A control file whose checksum holds and whose values can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    pub system_identifier: u64,
    pub pg_control_version: u32,
    pub catalog_version_no: u32,
    /// 14 to 19.
    pub major: u32,
    pub state: State,
    /// Of the last checkpoint record, and of its REDO point.
    pub checkpoint: Lsn,
    pub redo: Lsn,
    pub timeline: TimelineId,
    pub previous_timeline: TimelineId,
    /// Seconds since 1970.
    pub checkpoint_time: i64,
    /// Invalid unless in archive recovery.
    pub min_recovery_point: Lsn,
    pub min_recovery_timeline: TimelineId,
    pub backup_start_point: Lsn,
    pub backup_end_point: Lsn,
    pub backup_end_required: bool,
    pub wal_level: WalLevel,
    pub wal_log_hints: bool,
    pub max_connections: i32,
    pub max_worker_processes: i32,
    pub max_wal_senders: i32,
    pub max_prepared_transactions: i32,
    pub max_locks_per_transaction: i32,
    pub track_commit_timestamp: bool,
    pub page_size: u32,
    pub pages_per_segment: u32,
    pub wal_page_size: u32,
    pub wal_segment_size: u64,
    pub data_checksums: DataChecksums,
    /// 18 and later.
    pub default_char_signedness: Option<bool>,
}

/// `DBState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    StartingUp,
    ShutDown,
    ShutDownInRecovery,
    ShuttingDown,
    InCrashRecovery,
    InArchiveRecovery,
    InProduction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WalLevel {
    Minimal,
    Replica,
    Logical,
}

/// `ChecksumStateType`; before 19 only `Off` and `On`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataChecksums {
    Off,
    On,
    SwitchingOff,
    SwitchingOn,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidControlFile {
    #[error("pg_control has {0} bytes, fewer than {CONTROL_DATA_SIZE}")]
    Short(usize),
    #[error("pg_control version {0} is unknown: PostgreSQL 14 to 19 on a little-endian machine are supported")]
    Version(u32),
    #[error("pg_control of catalog version {0} is unknown: PostgreSQL 14 to 19 are supported")]
    Catalog(u32),
    #[error("pg_control has checksum {found:08X}, its contents give {computed:08X}")]
    Checksum { found: u32, computed: u32 },
    #[error("pg_control holds {value} as its {field}")]
    Value { field: &'static str, value: i64 },
}

impl ControlFile {
    /// Reads the file's bytes. A torn read shows as [`InvalidControlFile::Checksum`].
    pub fn parse(bytes: &[u8]) -> Result<ControlFile, InvalidControlFile> {
        let unchecked = Unchecked::parse(bytes)?;
        unchecked.check()
    }

    /// Our part of a tablespace's location (`TABLESPACE_VERSION_DIRECTORY`).
    pub fn version_directory(&self) -> String {
        format!("PG_{}_{}", self.major, self.catalog_version_no)
    }
}

impl Unchecked {
    fn check(self) -> Result<ControlFile, InvalidControlFile> {
        let pages = MIN_PAGE_SIZE..=MAX_PAGE_SIZE;
        let wal_pages = MIN_PAGE_SIZE..=MAX_WAL_PAGE_SIZE;
        let segments = MIN_SEGMENT_SIZE as u32..=MAX_SEGMENT_SIZE as u32;
        let power = |size: u32, range: &std::ops::RangeInclusive<u32>| size.is_power_of_two() && range.contains(&size);
        ensure("alignment", self.max_align, self.max_align == MAX_ALIGN)?;
        ensure("float format", 0, self.float_format == FLOAT_FORMAT)?;
        ensure("page size", self.page_size, power(self.page_size, &pages))?;
        ensure("WAL page size", self.wal_page_size, power(self.wal_page_size, &wal_pages))?;
        ensure("WAL segment size", self.wal_segment_size, power(self.wal_segment_size, &segments))?;
        ensure("pages per segment", self.pages_per_segment, self.pages_per_segment > 0)?;
        ensure("timeline", self.timeline, self.timeline > 0)?;
        ensure("system identifier", 0, self.system_identifier != 0)?;
        self.convert()
    }

    fn convert(self) -> Result<ControlFile, InvalidControlFile> {
        Ok(ControlFile {
            system_identifier: self.system_identifier,
            pg_control_version: self.pg_control_version,
            catalog_version_no: self.catalog_version_no,
            major: major(self.pg_control_version, self.catalog_version_no)?,
            state: state(self.state)?,
            checkpoint: Lsn(self.checkpoint),
            redo: Lsn(self.redo),
            timeline: self.timeline,
            previous_timeline: self.previous_timeline,
            checkpoint_time: self.checkpoint_time,
            min_recovery_point: Lsn(self.min_recovery_point),
            min_recovery_timeline: self.min_recovery_timeline,
            backup_start_point: Lsn(self.backup_start_point),
            backup_end_point: Lsn(self.backup_end_point),
            backup_end_required: self.backup_end_required,
            wal_level: wal_level(self.wal_level)?,
            wal_log_hints: self.wal_log_hints,
            max_connections: self.max_connections,
            max_worker_processes: self.max_worker_processes,
            max_wal_senders: self.max_wal_senders,
            max_prepared_transactions: self.max_prepared_transactions,
            max_locks_per_transaction: self.max_locks_per_transaction,
            track_commit_timestamp: self.track_commit_timestamp,
            page_size: self.page_size,
            pages_per_segment: self.pages_per_segment,
            wal_page_size: self.wal_page_size,
            wal_segment_size: u64::from(self.wal_segment_size),
            data_checksums: data_checksums(self.data_checksums)?,
            default_char_signedness: self.default_char_signedness,
        })
    }
}

fn ensure(field: &'static str, value: u32, holds: bool) -> Result<(), InvalidControlFile> {
    if holds { Ok(()) } else { Err(InvalidControlFile::Value { field, value: i64::from(value) }) }
}

/// 14, 15 and 16 share a format and differ in their catalogs.
fn major(control: u32, catalog: u32) -> Result<u32, InvalidControlFile> {
    match (control, catalog) {
        (1300, 202_107_181) => Ok(14),
        (1300, 202_209_061) => Ok(15),
        (1300, 202_307_071) => Ok(16),
        (1700 | 1800 | 1902 | 1903, _) => Ok(control / 100),
        _ => Err(InvalidControlFile::Catalog(catalog)),
    }
}

fn state(value: u32) -> Result<State, InvalidControlFile> {
    Ok(match value {
        0 => State::StartingUp,
        1 => State::ShutDown,
        2 => State::ShutDownInRecovery,
        3 => State::ShuttingDown,
        4 => State::InCrashRecovery,
        5 => State::InArchiveRecovery,
        6 => State::InProduction,
        _ => return Err(InvalidControlFile::Value { field: "state", value: i64::from(value) }),
    })
}

fn wal_level(value: i32) -> Result<WalLevel, InvalidControlFile> {
    Ok(match value {
        0 => WalLevel::Minimal,
        1 => WalLevel::Replica,
        2 => WalLevel::Logical,
        _ => return Err(InvalidControlFile::Value { field: "wal_level", value: i64::from(value) }),
    })
}

fn data_checksums(value: u32) -> Result<DataChecksums, InvalidControlFile> {
    Ok(match value {
        0 => DataChecksums::Off,
        1 => DataChecksums::On,
        2 => DataChecksums::SwitchingOff,
        3 => DataChecksums::SwitchingOn,
        _ => return Err(InvalidControlFile::Value { field: "checksum version", value: i64::from(value) }),
    })
}

#[cfg(test)]
mod tests;
