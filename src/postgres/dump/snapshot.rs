//! The transaction that holds locks and snapshot while others read under it.

use std::collections::BTreeSet;

use super::super::connection::Connection;
use super::{DumpedDatabase, Manner};
use crate::model::dump::TableName;
use crate::model::error::{Code, Error, Result};

/// Relations that hold rows of users; extensions bring theirs themselves, but for what they tell `pg_dump` of.
const LOCKED: &str = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' \
     AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d \
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY c.oid";

/// Of the same, what is read by itself and what `pg_dump` reads. `heap` alone is known to have blocks by `ctid`.
const TABLES: &str = "SELECT n.nspname, c.relname, pg_table_size(c.oid), \
       CASE WHEN a.amname = 'heap' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE 0 END, \
       (SELECT coalesce(array_agg(t.attname::text ORDER BY t.attnum), '{}') FROM pg_attribute t \
        WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND (c.relpersistence = 'p' OR NOT pg_is_in_recovery()) \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d \
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY c.oid";

/// From here on a table is read by itself: what it costs to say so is nothing then.
const LARGE: u64 = 32 << 20;

/// Tables per `LOCK`, which keeps the statement short.
const LOCKS_AT_ONCE: usize = 500;

/// A table that is dropped between listing and locking makes for another look.
const TRIES: u32 = 10;

/// The session that has it.
pub struct HeldSnapshot {
    connection: Connection,
    pub snapshot: Snapshot,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// As `SET TRANSACTION SNAPSHOT` takes it.
    pub id: String,
    /// As `pg_current_snapshot` prints it.
    pub words: String,
    pub tables: Tables,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables {
    /// Read by `pg_dump`.
    pub small: Vec<TableName>,
    pub small_bytes: u64,
    pub large: Vec<LargeTable>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeTable {
    pub name: TableName,
    pub columns: Vec<String>,
    pub bytes: u64,
    /// Where rows can be asked for by block.
    pub blocks: Option<u64>,
}

impl HeldSnapshot {
    /// `server` is a session in any database of it.
    pub fn begin(server: &Connection, database: &DumpedDatabase, manner: Manner) -> Result<HeldSnapshot> {
        let mut connection = server.open_database(&database.name)?;
        let (id, words) = connection.locked_snapshot(manner)?;
        let tables = if manner.schema_only { Tables::default() } else { connection.tables()? };
        Ok(HeldSnapshot { connection, snapshot: Snapshot { id, words, tables } })
    }

    /// An idle session in a transaction is what killers of sessions look for.
    pub fn heartbeat(&mut self) -> Result<()> {
        self.connection.heartbeat()
    }

    pub fn end(mut self) -> Result<()> {
        self.connection.execute_all("COMMIT")
    }
}

impl Connection {
    /// Id and words of a snapshot in which no table is that was not locked before.
    fn locked_snapshot(&mut self, manner: Manner) -> Result<(String, String)> {
        for _ in 0..TRIES {
            let locked = self.lock_all(manner)?;
            let row = self.query_one("SELECT pg_export_snapshot(), pg_current_snapshot()::text", &[])?;
            if self.tables_with_rows()?.is_subset(&locked) {
                return Ok((self.column(&row, 0)?, self.column(&row, 1)?));
            }
            self.execute_all("ROLLBACK")?;
        }
        Err(Error::new(Code::Dump, format!("each of {TRIES} times a table was made before all were locked"))
            .hint("run it again when no tables are made every moment"))
    }

    fn tables_with_rows(&mut self) -> Result<BTreeSet<String>> {
        let rows = self.query(LOCKED, &[])?;
        let name =
            |row: &::postgres::Row| Ok(TableName { schema: self.column(row, 0)?, name: self.column(row, 1)? }.quoted());
        rows.iter().map(name).collect()
    }

    fn lock_all(&mut self, manner: Manner) -> Result<BTreeSet<String>> {
        let wait = manner.lock_timeout.as_millis();
        let mut tried = 1;
        loop {
            let names = self.tables_with_rows()?;
            self.execute_all("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            self.execute_all(&format!("SET LOCAL lock_timeout = {wait}; SET LOCAL row_security = off"))?;
            let all: Vec<&String> = names.iter().collect();
            let locked = all.chunks(LOCKS_AT_ONCE).try_for_each(|some| {
                // ONLY: children are in the list themselves.
                let list = some.iter().map(|name| format!("ONLY {name}")).collect::<Vec<_>>().join(", ");
                self.execute_of(&format!("LOCK TABLE {list} IN ACCESS SHARE MODE"))
            });
            match locked {
                Ok(()) => return Ok(names),
                Err(error) if is_gone(&error) && tried < TRIES => self.execute_all("ROLLBACK")?,
                Err(error) => return Err(self.not_locked(&error, manner)),
            }
            tried += 1;
        }
    }

    fn not_locked(&self, error: &::postgres::Error, manner: Manner) -> Error {
        let failed = self.failed(error);
        match error.code() {
            Some(&::postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
                let message = format!(
                    "a table is locked by somebody else, and was not released within {} s",
                    manner.lock_timeout.as_secs()
                );
                Error::new(Code::Dump, message).hint(
                    "who waits and who holds: select pid, wait_event_type, query from pg_stat_activity; or --lock-timeout 1h",
                )
            }
            Some(&::postgres::error::SqlState::OUT_OF_MEMORY) => {
                failed.hint("ALTER SYSTEM SET max_locks_per_transaction to more, then restart the server")
            }
            _ => failed,
        }
    }

    fn tables(&mut self) -> Result<Tables> {
        let mut tables = Tables::default();
        for row in self.query(TABLES, &[])? {
            let name = TableName { schema: self.column(&row, 0)?, name: self.column(&row, 1)? };
            let (bytes, blocks): (i64, i64) = (self.column(&row, 2)?, self.column(&row, 3)?);
            let (bytes, blocks) = (bytes.unsigned_abs(), blocks.unsigned_abs());
            let columns: Vec<String> = self.column(&row, 4)?;
            // Without columns there is nothing that COPY could tell of a row.
            if bytes < LARGE || columns.is_empty() {
                tables.small_bytes += bytes;
                tables.small.push(name);
            } else {
                let blocks = Some(blocks).filter(|blocks| *blocks > 0);
                tables.large.push(LargeTable { name, columns, bytes, blocks });
            }
        }
        Ok(tables)
    }
}

fn is_gone(error: &::postgres::Error) -> bool {
    use ::postgres::error::SqlState;
    let gone = [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME, &SqlState::WRONG_OBJECT_TYPE];
    error.code().is_some_and(|code| gone.contains(&code))
}
