//! Replication slots that nobody reads: the server keeps all WAL from where they stand.

use super::Connection;
use crate::model::error::Result;

/// A slot without a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InactiveSlot {
    pub name: String,
    /// From where it stands to where the server is.
    pub held_bytes: u64,
}

const SLOTS: &str = "SELECT slot_name::text, greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() \
     THEN coalesce(pg_last_wal_replay_lsn(), restart_lsn) ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint \
     FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL";

/// A standby keeps copies of its primary's slots, which nobody reads there.
const NOT_SYNCED: (u32, &str) = (17, " AND NOT synced");

/// So many are told of.
const MOST: &str = " ORDER BY 2 DESC LIMIT 8";

impl Connection {
    /// Those that hold most first. Every role may ask.
    pub fn inactive_slots(&mut self) -> Result<Vec<InactiveSlot>> {
        let (since, condition) = NOT_SYNCED;
        let condition = if self.version().major() >= since { condition } else { "" };
        let rows = self.query(&format!("{SLOTS}{condition}{MOST}"), &[])?;
        let slot = |row| {
            let held: i64 = self.column(row, 1)?;
            Ok(InactiveSlot { name: self.column(row, 0)?, held_bytes: u64::try_from(held).unwrap_or(0) })
        };
        rows.iter().map(slot).collect()
    }
}
