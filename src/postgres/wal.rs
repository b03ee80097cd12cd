//! Making the server write and finish WAL.

use ::postgres::types::PgLsn;

use super::Connection;
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;

/// `MAXFNAMELEN` less one: the server refuses longer names of restore points.
pub const MAX_RESTORE_POINT: usize = 63;

impl Connection {
    /// A named point that recovery can stop at; the LSN is the end of its record.
    pub fn create_restore_point(&mut self, name: &str) -> Result<Lsn> {
        if name.is_empty() || name.len() > MAX_RESTORE_POINT {
            let message = format!("a restore point's name has 1 to {MAX_RESTORE_POINT} bytes, this one {}", name.len());
            return Err(Error::new(Code::Usage, message));
        }
        self.lsn("SELECT pg_create_restore_point($1::text)", &[&name])
    }

    /// Finishes the current segment so that it is archived. Without anything written since the last switch
    /// nothing happens: an idle server makes no new segment by this alone.
    pub fn switch_wal(&mut self) -> Result<Lsn> {
        self.lsn("SELECT pg_switch_wal()", &[])
    }

    /// End of the WAL that is durable here: flushed by a primary, replayed by a standby.
    pub fn wal_position(&mut self) -> Result<Lsn> {
        const POSITION: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
             ELSE pg_current_wal_flush_lsn() END";
        self.lsn(POSITION, &[])
    }

    fn lsn(&mut self, sql: &str, parameters: &[&(dyn ::postgres::types::ToSql + Sync)]) -> Result<Lsn> {
        let row = self.query_one(sql, parameters)?;
        let lsn: PgLsn = self.column(&row, 0)?;
        Ok(Lsn(lsn.into()))
    }
}
