//! A session that reads rows under somebody else's snapshot.

use futures_util::StreamExt;

use super::super::failure::Failure;
use super::super::reach::Reach;
use super::super::row_session::{RowSession, TICK};
use super::super::timeouts;
use super::snapshot::another;
use super::{LargeTable, Snapshot};
use crate::model::dump::{only, quoted};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// As those of `pg_dump`, so that what one wrote the other's restore reads alike.
const SETTINGS: &str = "SET search_path = pg_catalog; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; \
     SET synchronize_seqscans = off; SET row_security = off; SET bytea_output = 'hex'; \
     SET max_parallel_workers_per_gather = 0";

/// Locks asked for by one statement.
const LOCKS_AT_ONCE: usize = 500;

/// Rows that are looked at together.
const AT_ONCE: usize = 1024;

/// Bytes that are handed out together: rows may be short.
const CHUNK: usize = 256 << 10;

pub struct CopyOut {
    session: RowSession,
    encoding: String,
}

impl CopyOut {
    /// Locks all large tables at once: a lock that is asked for later would queue behind whoever waits for ours.
    pub fn begin(server: &Reach, (database, encoding): (&str, &str), snapshot: &Snapshot) -> Result<CopyOut> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let begin = format!("{begin}; SET TRANSACTION SNAPSHOT '{}'", snapshot.id);
        let settings = [timeouts::none(server.version), SETTINGS.to_owned(), begin];
        let session = RowSession::open(server, database, &settings)?;
        let locked = snapshot.tables.large.chunks(LOCKS_AT_ONCE).try_for_each(|some| lock_at_once(&session, some));
        locked.map(|()| CopyOut { session, encoding: encoding.to_owned() })
    }

    /// Hands out the rows of some blocks, or of all, as `COPY` writes them; returns how many there were.
    pub fn rows(
        &mut self,
        table: &LargeTable,
        blocks: Option<(u64, Option<u64>)>,
        interrupt: &Interrupt,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let sql = copy_statement(table, blocks, &self.encoding);
        let RowSession { runtime, client, server } = &self.session;
        self.is_the_same(table, interrupt)?;
        let rows = runtime.block_on(async {
            let stream = client.copy_out(&sql).await.map_err(|e| server.failed(&e))?;
            let mut stream = Box::pin(stream.ready_chunks(AT_ONCE));
            let (mut rows, mut chunk) = (0, Vec::with_capacity(CHUNK));
            loop {
                interrupt.check()?;
                let Ok(next) = tokio::time::timeout(TICK, stream.next()).await else { continue };
                let Some(messages) = next else { break };
                for message in messages {
                    let bytes = message.map_err(|e| server.failed(&e))?;
                    chunk.extend_from_slice(&bytes);
                    if chunk.len() >= CHUNK {
                        rows += line_feeds(&chunk);
                        each(&chunk)?;
                        chunk.clear();
                    }
                }
            }
            rows += line_feeds(&chunk);
            each(&chunk)?;
            drop(stream);
            // The stream ends with its last row; that the statement itself has ended well only the next answer tells.
            client.simple_query("").await.map_err(|e| server.failed(&e))?;
            Ok::<u64, Error>(rows)
        })?;
        self.is_the_same(table, interrupt)?;
        Ok(rows)
    }

    /// `COPY` takes whatever has the name at its moment.
    fn is_the_same(&self, table: &LargeTable, interrupt: &Interrupt) -> Result<()> {
        let RowSession { client, server, .. } = &self.session;
        let name = table.name.quoted();
        let row = self.session.wait(client.query_one("SELECT to_regclass($1)::oid", &[&name]), interrupt)?;
        let oid: Option<u32> = row.try_get(0).map_err(|e| server.failed(&e))?;
        if oid == Some(table.oid) { Ok(()) } else { Err(another(&table.name)) }
    }
}

/// One for each row: within a value it is written as `\n`. Bytes are summed where many fit into a register.
fn line_feeds(bytes: &[u8]) -> u64 {
    let of_some = |some: &[u8]| u64::from(some.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>());
    bytes.chunks(usize::from(u8::MAX)).map(of_some).sum()
}

/// Nobody is waited for: the lock is held already, so it can only be refused where somebody waits who wants it for
/// himself, and whoever asked behind him would make others wait (as parallel `pg_dump` does, `lockTableForWorker`).
fn lock_at_once(session: &RowSession, tables: &[LargeTable]) -> Result<()> {
    let list = only(tables.iter().map(|table| &table.name));
    let sql = format!("LOCK TABLE {list} IN ACCESS SHARE MODE NOWAIT");
    session.runtime.block_on(session.client.batch_execute(&sql)).map_err(|error| match error.code() {
        Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
            let message = format!("somebody waits to lock a table that is to be dumped: {}", Failure(&error));
            Error::new(Code::Dump, message).hint("run it again when ALTER, DROP or TRUNCATE of it is done")
        }
        _ => session.server.failed(&error),
    })
}

/// With blocks of a table the rows that lie in them: from the first up to the last, which is not among them.
fn copy_statement(table: &LargeTable, blocks: Option<(u64, Option<u64>)>, encoding: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
    let (columns, name) = (columns.join(", "), table.name.quoted());
    let what = match blocks {
        None => format!("{name} ({columns})"),
        Some((first, end)) => {
            let below = end.map(|end| format!(" AND ctid < '({end},0)'::tid")).unwrap_or_default();
            format!("(SELECT {columns} FROM ONLY {name} WHERE ctid >= '({first},0)'::tid{below})")
        }
    };
    format!("COPY {what} TO STDOUT WITH (FORMAT text, ENCODING '{encoding}')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_their_ends() {
        let text: Vec<u8> = (0..100_000u32).map(|n| if n % 7 == 3 { b'\n' } else { b'x' }).collect();
        assert_eq!(line_feeds(&text), text.iter().filter(|byte| **byte == b'\n').count() as u64);
        assert_eq!(line_feeds(&[b'\n'; 1000]), 1000);
        assert_eq!(line_feeds(b""), 0);
    }

    #[test]
    fn statements() {
        let name = crate::model::dump::TableName { schema: "s".into(), name: "a\"b".into() };
        let columns = vec!["x".into(), "Y z".into()];
        let table = LargeTable { name, oid: 1, pattern: Vec::new(), columns, bytes: 0, blocks: None };
        let end = "TO STDOUT WITH (FORMAT text, ENCODING 'LATIN1')";
        assert_eq!(copy_statement(&table, None, "LATIN1"), format!("COPY \"s\".\"a\"\"b\" (\"x\", \"Y z\") {end}"));
        let from = "COPY (SELECT \"x\", \"Y z\" FROM ONLY \"s\".\"a\"\"b\" WHERE ctid >= '(7,0)'::tid";
        assert_eq!(copy_statement(&table, Some((7, None)), "LATIN1"), format!("{from}) {end}"));
        let between = format!("{from} AND ctid < '(9,0)'::tid) {end}");
        assert_eq!(copy_statement(&table, Some((7, Some(9))), "LATIN1"), between);
    }
}
