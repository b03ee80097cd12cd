//! What the server says of its archiver, its clock and its files.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Connection, Settings};
use crate::model::error::{Code, Error, Result};
use crate::model::wal_name::Segment;

/// The archiver's last failure, if nothing has been archived since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiverFailure {
    /// The file it was about, in the server's words.
    pub segment: String,
    pub at: Timestamp,
}

const FAILURE: &str = "SELECT last_failed_wal, (extract(epoch FROM last_failed_time) * 1000000)::bigint \
     FROM pg_stat_archiver \
     WHERE last_failed_wal IS NOT NULL AND (last_archived_time IS NULL OR last_archived_time < last_failed_time)";

/// Null in a recovery that has replayed nothing.
const POSITION: &str = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
     ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn)::bigint";

/// Statement time would stand still within a transaction.
const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Null for roles outside of pg_read_all_settings, which `check_rights` asks for.
const FILES: &str = "SELECT DISTINCT sourcefile FROM pg_settings WHERE sourcefile IS NOT NULL ORDER BY 1";

const DATA_SIZE: &str = "SELECT sum(pg_tablespace_size(oid))::bigint FROM pg_tablespace";

impl Connection {
    pub fn archiver_failure(&mut self) -> Result<Option<ArchiverFailure>> {
        let Some(row) = self.query_opt(FAILURE, &[])? else { return Ok(None) };
        let (segment, micros) = (self.column(&row, 0)?, self.column(&row, 1)?);
        Ok(Some(ArchiverFailure { segment, at: timestamp(micros)? }))
    }

    /// The segment that is being written, or replayed.
    pub fn segment(&mut self, settings: &Settings) -> Result<Option<Segment>> {
        let row = self.query_one(POSITION, &[])?;
        let position: Option<i64> = self.column(&row, 0)?;
        let number = position.and_then(|at| at.cast_unsigned().checked_div(settings.wal_segment_size));
        Ok(number.map(|number| Segment { timeline: settings.timeline, number }))
    }

    /// The server's clock.
    pub fn now(&mut self) -> Result<Timestamp> {
        let row = self.query_one(NOW, &[])?;
        timestamp(self.column(&row, 0)?)
    }

    /// Bytes of all tablespaces, for progress. `None` where the role may not know (`pg_read_all_stats`), or
    /// a tablespace goes away meanwhile.
    pub fn data_size(&mut self) -> Option<u64> {
        let row = self.query_one(DATA_SIZE, &[]).ok()?;
        self.column::<i64>(&row, 0).ok().map(|bytes| bytes as u64)
    }

    /// Configuration files, includes among them, that a setting in force comes from.
    pub fn configuration_files(&mut self) -> Result<Vec<PathBuf>> {
        let rows = self.query(FILES, &[])?;
        rows.iter().map(|row| self.column::<String>(row, 0).map(PathBuf::from)).collect()
    }
}

fn timestamp(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|e| Error::new(Code::Internal, format!("the server's time: {e}")))
}
