//! The transaction that holds locks and snapshot while others read under it.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::super::connection::Connection;
use super::super::row_session::counts;
use super::{DumpedDatabase, Manner};
use crate::model::dump::TableName;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// Relations that hold rows of users; extensions bring theirs themselves, but for what they tell `pg_dump` of.
const LOCKED: &str = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' \
     AND n.nspname !~ '^pg_' AND (NOT EXISTS (SELECT FROM pg_depend d \
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     OR c.oid = ANY (ARRAY(SELECT unnest(extconfig) FROM pg_extension))) \
     ORDER BY c.oid";

/// Of the same, what is read by itself and what `pg_dump` reads. `heap` alone is known to have blocks by `ctid`.
const TABLES: &str = "SELECT n.nspname, c.relname, c.oid, \
       convert_to(concat('\"', replace(n.nspname, '\"', '\"\"'), '\".\"', replace(c.relname, '\"', '\"\"'), '\"'), \
         getdatabaseencoding()), pg_table_size(c.oid), \
       CASE WHEN a.amname = 'heap' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE 0 END, \
       (SELECT coalesce(array_agg(t.attname::text ORDER BY t.attnum), '{}') FROM pg_attribute t \
        WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND (c.relpersistence = 'p' OR NOT pg_is_in_recovery()) \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d \
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     ORDER BY c.oid";

/// Labels of enums: rows are written with those of the moment, the schema with those of the snapshot.
const LABELS: &str = "SELECT oid, enumlabel FROM pg_enum WHERE oid = ANY ($1) OR $1 IS NULL ORDER BY oid";

/// Those of these tables, by number, that are others under their names by now: the catalog is asked as it is, whatever
/// the snapshot. A lock keeps a table's own name, and not that of its schema.
const RENAMED: &str = "SELECT number FROM unnest($1::text[], $2::oid[]) WITH ORDINALITY AS t (name, oid, number) \
     WHERE to_regclass(name)::oid IS DISTINCT FROM oid ORDER BY number LIMIT 1";

/// From here on a table is read by itself: what it costs to say so is nothing then.
const LARGE: u64 = 32 << 20;

/// Tables per `LOCK`, which keeps the statement short.
const LOCKS_AT_ONCE: usize = 500;

/// A table that is dropped between listing and locking makes for another look.
const TRIES: u32 = 10;

/// While locks are waited for: how often an interrupt is looked for, and how often the first session shows that it lives.
const TICK: Duration = Duration::from_millis(20);
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The session that has it.
pub struct HeldSnapshot {
    connection: Connection,
    pub snapshot: Snapshot,
    labels: BTreeMap<u32, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// As `SET TRANSACTION SNAPSHOT` takes it.
    pub id: String,
    /// As `pg_current_snapshot` prints it.
    pub words: String,
    /// When it was taken, by the server's clock.
    pub taken: Timestamp,
    pub tables: Tables,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables {
    /// Read by `pg_dump`.
    pub small: Vec<TableName>,
    pub large: Vec<LargeTable>,
    /// Of all of them.
    oids: Vec<(TableName, u32)>,
    /// Of all, on the server's disk.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeTable {
    pub name: TableName,
    pub oid: u32,
    /// Its name in quotes, in the encoding of its database: so `pg_dump` reads its arguments.
    pub pattern: Vec<u8>,
    pub columns: Vec<String>,
    pub bytes: u64,
    /// Where rows can be asked for by block.
    pub blocks: Option<u64>,
}

impl HeldSnapshot {
    /// `server` is a session in any database of it, which ends the wait for a lock when an interrupt comes.
    pub fn begin(
        server: &mut Connection,
        database: &DumpedDatabase,
        manner: Manner,
        interrupt: &Interrupt,
    ) -> Result<HeldSnapshot> {
        let mut connection = server.open_database(&database.name)?;
        let backend = connection.backend()?;
        let snapshot = thread::scope(|scope| {
            let work = scope.spawn(|| connection.locked_snapshot(manner));
            let mut heartbeat = Instant::now();
            while !work.is_finished() {
                thread::sleep(TICK);
                // Where the first session is lost, its next use tells.
                if interrupt.is_raised() {
                    let _ = server.cancel(backend);
                } else if heartbeat.elapsed() >= HEARTBEAT {
                    let _ = server.heartbeat();
                    heartbeat = Instant::now();
                }
            }
            interrupt.check()?;
            work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        let labels = connection.labels(None)?;
        Ok(HeldSnapshot { connection, snapshot, labels })
    }

    /// How many rows each of these has. In this session, which has their locks: another would queue behind whoever waits
    /// for them.
    pub fn count(&mut self, tables: &[TableName]) -> Result<Vec<u64>> {
        let row = self.connection.query_one(&counts(tables), &[])?;
        let found: Vec<i64> = self.connection.column(&row, 0)?;
        Ok(found.into_iter().map(i64::unsigned_abs).collect())
    }

    /// What neither lock nor snapshot keeps: that a name stands for the same table still, and a value of an enum for
    /// the same label.
    pub fn check_names(&mut self) -> Result<()> {
        let (names, oids): (Vec<String>, Vec<u32>) =
            self.snapshot.tables.oids.iter().map(|(name, oid)| (name.quoted(), *oid)).unzip();
        if let Some(row) = self.connection.query(RENAMED, &[&names, &oids])?.first() {
            let number: i64 = self.connection.column(row, 0)?;
            let table = self.snapshot.tables.oids.get(number.unsigned_abs().saturating_sub(1) as usize);
            return Err(another(table.map_or(&TableName::default(), |(name, _)| name)));
        }
        let known: Vec<u32> = self.labels.keys().copied().collect();
        let mut now = self.connection.beside()?;
        match now.labels(Some(known))? == self.labels {
            true => Ok(()),
            false => Err(Error::new(Code::Dump, "a value of an enum got another name meanwhile").hint(AGAIN)),
        }
    }

    /// An idle session in a transaction is what killers of sessions look for.
    pub fn heartbeat(&mut self) -> Result<()> {
        self.connection.heartbeat()
    }

    pub fn end(mut self) -> Result<()> {
        self.connection.execute_all("COMMIT")
    }
}

const AGAIN: &str = "run it again while nobody changes types or schemas";

/// A name stands for another table than when the snapshot was taken.
pub(super) fn another(table: &TableName) -> Error {
    let message = format!("{} is another table by now than when its database was locked", table.quoted());
    Error::new(Code::Dump, message).hint(AGAIN)
}

impl Connection {
    /// All, or those that are there still.
    fn labels(&mut self, known: Option<Vec<u32>>) -> Result<BTreeMap<u32, String>> {
        let rows = self.query(LABELS, &[&known])?;
        rows.iter().map(|row| Ok((self.column(row, 0)?, self.column(row, 1)?))).collect()
    }

    fn backend(&mut self) -> Result<i32> {
        let row = self.query_one("SELECT pg_backend_pid()", &[])?;
        self.column(&row, 0)
    }

    /// Ends what another session of the same role is at.
    fn cancel(&mut self, backend: i32) -> Result<()> {
        self.query_one("SELECT pg_cancel_backend($1)", &[&backend]).map(drop)
    }

    /// A snapshot in which no table is that was not locked before.
    fn locked_snapshot(&mut self, manner: Manner) -> Result<Snapshot> {
        for _ in 0..TRIES {
            let locked = self.lock_all(manner)?;
            let row = self.query_one("SELECT pg_export_snapshot(), pg_current_snapshot()::text", &[])?;
            if self.tables_with_rows()?.is_subset(&locked) {
                let (id, words) = (self.column(&row, 0)?, self.column(&row, 1)?);
                return Ok(Snapshot { id, words, taken: self.now()?, tables: self.tables(manner.schema_only)? });
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
                let waited = SignedDuration::try_from(manner.lock_timeout).unwrap_or(SignedDuration::MAX);
                let message = format!("a table is locked by somebody else, and was not released within {waited:#}");
                Error::new(Code::Dump, message).hint(
                    "who holds such a lock: select pid, query_start, query from pg_stat_activity where pid in (select pid from pg_locks where mode = 'AccessExclusiveLock' and granted); or --lock-timeout 1h",
                )
            }
            Some(&::postgres::error::SqlState::OUT_OF_MEMORY) => {
                failed.hint("ALTER SYSTEM SET max_locks_per_transaction to more, then restart the server")
            }
            _ => failed,
        }
    }

    /// Without rows none is read by itself.
    fn tables(&mut self, schema_only: bool) -> Result<Tables> {
        let mut tables = Tables::default();
        for row in self.query(TABLES, &[])? {
            let name = TableName { schema: self.column(&row, 0)?, name: self.column(&row, 1)? };
            let (oid, pattern): (u32, Vec<u8>) = (self.column(&row, 2)?, self.column(&row, 3)?);
            tables.oids.push((name.clone(), oid));
            let (bytes, blocks): (i64, i64) = (self.column(&row, 4)?, self.column(&row, 5)?);
            let (bytes, blocks) = (bytes.unsigned_abs(), blocks.unsigned_abs());
            let columns: Vec<String> = self.column(&row, 6)?;
            tables.bytes += bytes;
            // Without columns there is nothing that COPY could tell of a row.
            if bytes < LARGE || columns.is_empty() || schema_only {
                tables.small.push(name);
            } else {
                let blocks = Some(blocks).filter(|blocks| *blocks > 0);
                tables.large.push(LargeTable { name, oid, pattern, columns, bytes, blocks });
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
