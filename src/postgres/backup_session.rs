//! A backup session: the server keeps full-page writes on from start to stop and ends the backup when the
//! connection ends (`do_pg_backup_start`, `do_pg_backup_stop` in xlog.c).

use ::postgres::types::PgLsn;

use super::Connection;
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;

/// `MAXPGPATH`: the server refuses labels that are longer.
pub const MAX_LABEL: usize = 1024;

const START: &str = "SELECT pg_backup_start($1::text, $2)";
const START_14: &str = "SELECT pg_start_backup($1::text, $2, false)";

/// Never waiting for the archive: the server polls in whole seconds, we look into the repository ourselves.
/// Label and map may hold bytes that are not text in any encoding: fetched as the server has them.
const STOP: &str = "SELECT lsn, convert_to(labelfile, getdatabaseencoding()), \
     convert_to(spcmapfile, getdatabaseencoding()) FROM pg_backup_stop(false)";
const STOP_14: &str = "SELECT lsn, convert_to(labelfile, getdatabaseencoding()), \
     convert_to(spcmapfile, getdatabaseencoding()) FROM pg_stop_backup(false, false)";

/// Right after the start, pg_control's checkpoint is the one the backup starts from.
const START_TIMELINE: &str = "SELECT timeline_id FROM pg_control_checkpoint()";

/// A running backup. Dropping it ends the connection, and with it the backup.
pub struct BackupSession {
    connection: Connection,
    start: Start,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// REDO point of the start checkpoint: WAL is needed from here on.
    pub lsn: Lsn,
    pub timeline: TimelineId,
    /// Started on a standby.
    pub in_recovery: bool,
}

/// What the server returned at the end, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// WAL is needed up to here. On a standby, where pg_control's minRecoveryPoint was.
    pub lsn: Lsn,
    pub backup_label: Vec<u8>,
    /// Empty without tablespaces.
    pub tablespace_map: Vec<u8>,
}

impl BackupSession {
    /// Returns when the start checkpoint is done: at once with `fast`, else spread as the server is
    /// configured to.
    pub fn start(mut connection: Connection, label: &str, fast: bool) -> Result<BackupSession> {
        let in_recovery = connection.in_recovery()?;
        let sql = if connection.version().major() >= 15 { START } else { START_14 };
        let row = connection.query_one(sql, &[&label, &fast])?;
        let lsn: PgLsn = connection.column(&row, 0)?;
        let row = connection.query_one(START_TIMELINE, &[])?;
        let timeline: i32 = connection.column(&row, 0)?;
        let start = Start { lsn: Lsn(lsn.into()), timeline: timeline as TimelineId, in_recovery };
        Ok(BackupSession { connection, start })
    }

    pub fn started(&self) -> Start {
        self.start
    }

    /// To be called about every half minute while files are copied. Fails when the backup can no longer be
    /// completed: the session is gone or the standby was promoted.
    pub fn heartbeat(&mut self) -> Result<()> {
        match self.connection.in_recovery()? {
            in_recovery if in_recovery == self.start.in_recovery => Ok(()),
            _ => Err(promoted()),
        }
    }

    /// For queries that belong to the backup, such as restore points and switches.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Ends the backup; the connection goes on.
    pub fn stop(mut self) -> Result<(Stop, Connection)> {
        self.heartbeat()?;
        let connection = &mut self.connection;
        let sql = if connection.version().major() >= 15 { STOP } else { STOP_14 };
        let row = connection.query_one(sql, &[])?;
        let lsn: PgLsn = connection.column(&row, 0)?;
        let label: Option<Vec<u8>> = connection.column(&row, 1)?;
        let map: Option<Vec<u8>> = connection.column(&row, 2)?;
        let stop = Stop {
            lsn: Lsn(lsn.into()),
            backup_label: label.unwrap_or_default(),
            tablespace_map: map.unwrap_or_default(),
        };
        Ok((stop, self.connection))
    }
}

fn promoted() -> Error {
    let message = "the standby was promoted during the backup, which cannot be completed";
    Error::new(Code::BackupSession, message).hint("pgcairn backup")
}
