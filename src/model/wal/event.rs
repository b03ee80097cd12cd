//! What the records say that matter to archiving and recovery; all others pass unopened.

use super::bytes::Fields;
use super::format::WalFormat;
use super::record::{RM_TABLESPACE, RM_XACT, RM_XLOG, RecordHeader, main_data};
use super::xact::{TransactionEnd, is_transaction_end, transaction_end};
use crate::model::lsn::Lsn;
use crate::model::timestamp::TimestampTz;
use crate::model::wal_name::TimelineId;

/// Kinds of records of the resource manager XLOG (`XLOG_…` in `pg_control.h`).
const CHECKPOINT_SHUTDOWN: u8 = 0x00;
const CHECKPOINT_ONLINE: u8 = 0x10;
const SWITCH: u8 = 0x40;
const BACKUP_END: u8 = 0x50;
const PARAMETER_CHANGE: u8 = 0x60;
const RESTORE_POINT: u8 = 0x70;
const END_OF_RECOVERY: u8 = 0x90;
const OVERWRITE_CONTRECORD: u8 = 0xD0;
/// Of the resource manager Tablespace (`XLOG_TBLSPC_CREATE` in `tablespace.h`).
const CREATE_TABLESPACE: u8 = 0x00;

/// Room for the name of a restore point, its final NUL included (`MAXFNAMELEN`).
pub const RESTORE_POINT_NAME: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    TransactionEnd(TransactionEnd),
    RestorePoint(RestorePoint),
    /// The rest of the segment is unused.
    Switch,
    Checkpoint {
        shutdown: bool,
        redo: Lsn,
        timeline: TimelineId,
        /// Another than `timeline` where a new timeline begins.
        previous_timeline: TimelineId,
    },
    EndOfRecovery {
        time: TimestampTz,
        timeline: TimelineId,
        previous_timeline: TimelineId,
    },
    /// The end of the backup that began at `start`.
    BackupEnd {
        start: Lsn,
    },
    ParameterChange(Parameters),
    /// The record at `overwritten` was given up after a crash.
    OverwriteContrecord {
        overwritten: Lsn,
        time: TimestampTz,
    },
    CreateTablespace(CreatedTablespace),
}

/// A tablespace that replay makes, in the very directory that it was made in (`tblspc_redo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTablespace {
    pub oid: u32,
    /// Empty for one that is in place.
    pub location: Vec<u8>,
}

/// A named restore point. The name is in the encoding of the database that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePoint {
    pub name: Vec<u8>,
    pub time: TimestampTz,
}

impl RestorePoint {
    pub fn name_lossy(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}

/// Settings that a server in recovery must not have lower (`xl_parameter_change`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    pub max_connections: i32,
    pub max_worker_processes: i32,
    pub max_wal_senders: i32,
    pub max_prepared_transactions: i32,
    pub max_locks_per_transaction: i32,
    pub wal_level: i32,
}

/// `wal_level = minimal`, which recovery from an archive cannot pass (`CheckRequiredParameterValues`).
pub const WAL_LEVEL_MINIMAL: i32 = 0;

/// Whether [`decode`] has something to say about the record, so that its bytes must be at hand.
pub(super) fn is_event(header: &RecordHeader) -> bool {
    match header.rmid {
        RM_XACT => is_transaction_end(header),
        RM_XLOG => matches!(
            header.rmgr_info(),
            CHECKPOINT_SHUTDOWN
                | CHECKPOINT_ONLINE
                | SWITCH
                | BACKUP_END
                | PARAMETER_CHANGE
                | RESTORE_POINT
                | END_OF_RECOVERY
                | OVERWRITE_CONTRECORD
        ),
        RM_TABLESPACE => header.rmgr_info() == CREATE_TABLESPACE,
        _ => false,
    }
}

/// What a whole record says; `None` where it is too short for its kind. Only for records that [`is_event`].
pub(super) fn decode(format: &WalFormat, header: &RecordHeader, record: &[u8]) -> Option<Event> {
    let data = main_data(record)?;
    if header.rmid == RM_XACT {
        return transaction_end(format, header, data).map(Event::TransactionEnd);
    }
    let mut fields = Fields(data);
    if header.rmid == RM_TABLESPACE {
        return created_tablespace(&mut fields).map(Event::CreateTablespace);
    }
    Some(match header.rmgr_info() {
        SWITCH => Event::Switch,
        BACKUP_END => Event::BackupEnd { start: Lsn(fields.u64()?) },
        PARAMETER_CHANGE => Event::ParameterChange(parameters(&mut fields)?),
        RESTORE_POINT => Event::RestorePoint(restore_point(&mut fields)?),
        END_OF_RECOVERY => Event::EndOfRecovery {
            time: TimestampTz(fields.i64()?),
            timeline: fields.u32()?,
            previous_timeline: fields.u32()?,
        },
        OVERWRITE_CONTRECORD => {
            Event::OverwriteContrecord { overwritten: Lsn(fields.u64()?), time: TimestampTz(fields.i64()?) }
        }
        checkpoint => Event::Checkpoint {
            shutdown: checkpoint == CHECKPOINT_SHUTDOWN,
            redo: Lsn(fields.u64()?),
            timeline: fields.u32()?,
            previous_timeline: fields.u32()?,
        },
    })
}

/// `xl_tblspc_create_rec`
fn created_tablespace(fields: &mut Fields<'_>) -> Option<CreatedTablespace> {
    let oid = fields.u32()?;
    let location = fields.0.split(|byte| *byte == 0).next()?.to_vec();
    Some(CreatedTablespace { oid, location })
}

fn restore_point(fields: &mut Fields<'_>) -> Option<RestorePoint> {
    let time = TimestampTz(fields.i64()?);
    let name = fields.take(RESTORE_POINT_NAME)?.split(|byte| *byte == 0).next()?;
    Some(RestorePoint { name: name.to_vec(), time })
}

fn parameters(fields: &mut Fields<'_>) -> Option<Parameters> {
    let mut next = || fields.u32().map(u32::cast_signed);
    Some(Parameters {
        max_connections: next()?,
        max_worker_processes: next()?,
        max_wal_senders: next()?,
        max_prepared_transactions: next()?,
        max_locks_per_transaction: next()?,
        wal_level: next()?,
    })
}
