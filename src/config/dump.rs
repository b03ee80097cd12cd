//! `[dump]`: what is dumped where no argument says it, and what is kept of it.

use std::time::Duration;

use super::file::{self, Table};
use super::{keys, value};
use crate::model::error::Result;
use crate::model::plan::dump_retention::DumpPolicy;

/// How long `dump` waits for a lock where nothing is said.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// zstd level where none is configured: most rows get no smaller at 3 (decision 0021).
pub const COMPRESSION: i32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Patterns of names; none stands for all.
    pub databases: Vec<String>,
    pub exclude: Vec<String>,
    pub lock_timeout: Duration,
    /// zstd level, 1 to 19.
    pub compression: i32,
    /// Without it every dump is kept.
    pub retention: Option<DumpPolicy>,
}

impl Default for Dump {
    fn default() -> Dump {
        Dump {
            databases: Vec::new(),
            exclude: Vec::new(),
            lock_timeout: LOCK_TIMEOUT,
            compression: COMPRESSION,
            retention: None,
        }
    }
}

pub(super) fn dump(table: &Table) -> Result<Dump> {
    let retention = table.table_of("retention", keys::DUMP_RETENTION_SECTION)?;
    Ok(Dump {
        databases: table.list("databases", value::not_empty)?,
        exclude: table.list("exclude", value::not_empty)?,
        lock_timeout: table.parsed("lock_timeout", value::duration)?.unwrap_or(LOCK_TIMEOUT),
        compression: file::compression(table, COMPRESSION)?,
        retention: retention.map(|table| self::retention(&table)).transpose()?,
    })
}

fn retention(table: &Table) -> Result<DumpPolicy> {
    let usual = DumpPolicy::default();
    Ok(DumpPolicy {
        within: table.parsed("within", value::duration)?.unwrap_or(usual.within),
        daily: file::kept(table, "daily", usual.daily)?,
        weekly: file::kept(table, "weekly", usual.weekly)?,
        monthly: file::kept(table, "monthly", usual.monthly)?,
        yearly: file::kept(table, "yearly", usual.yearly)?,
        minimum: file::kept(table, "minimum", usual.minimum)?,
    })
}
