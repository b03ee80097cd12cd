//! A session that reads rows under somebody else's snapshot.

use futures_util::StreamExt;

use super::super::reach::Reach;
use super::super::row_session::{RowSession, TICK};
use super::{LargeTable, Manner, Snapshot};
use crate::model::dump::{TableName, quoted};
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;

/// As those of `pg_dump`, so that what one wrote the other's restore reads alike.
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
     SET search_path = pg_catalog; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; \
     SET synchronize_seqscans = off; SET row_security = off; SET bytea_output = 'hex'; \
     SET max_parallel_workers_per_gather = 0";
const SETTINGS_17: &str = "SET transaction_timeout = 0";

/// Rows that are looked at together.
const AT_ONCE: usize = 1024;

pub struct CopyOut {
    session: RowSession,
    encoding: String,
}

impl CopyOut {
    /// Locks all large tables at once: a lock that is asked for later would queue behind whoever waits for ours.
    pub fn begin(
        server: &Reach,
        (database, encoding): (&str, &str),
        snapshot: &Snapshot,
        manner: Manner,
    ) -> Result<CopyOut> {
        let mut settings = vec![SETTINGS.to_owned()];
        if server.version.major() >= 17 {
            settings.push(SETTINGS_17.to_owned());
        }
        settings.push(format!("SET lock_timeout = {}", manner.lock_timeout.as_millis()));
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        settings.push(format!("{begin}; SET TRANSACTION SNAPSHOT '{}'", snapshot.id));
        let lock = |table: &LargeTable| format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", table.name.quoted());
        settings.extend(snapshot.tables.large.iter().map(lock));
        Ok(CopyOut { session: RowSession::open(server, database, &settings)?, encoding: encoding.to_owned() })
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
        runtime.block_on(async {
            let stream = client.copy_out(&sql).await.map_err(|e| server.failed(&e))?;
            let mut stream = Box::pin(stream.ready_chunks(AT_ONCE));
            let mut rows = 0;
            loop {
                interrupt.check()?;
                let Ok(next) = tokio::time::timeout(TICK, stream.next()).await else { continue };
                let Some(messages) = next else { break };
                for message in messages {
                    let bytes = message.map_err(|e| server.failed(&e))?;
                    // A line feed within a value is written as \n.
                    rows += bytes.iter().filter(|b| **b == b'\n').count() as u64;
                    each(&bytes)?;
                }
            }
            drop(stream);
            // The stream ends with its last row; that the statement itself has ended well only the next answer tells.
            client.simple_query("").await.map_err(|e| server.failed(&e))?;
            Ok(rows)
        })
    }

    pub fn count(&self, tables: &[TableName], interrupt: &Interrupt) -> Result<Vec<u64>> {
        self.session.count(tables, interrupt)
    }
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
    fn statements() {
        let name = TableName { schema: "s".into(), name: "a\"b".into() };
        let table = LargeTable { name, columns: vec!["x".into(), "Y z".into()], bytes: 0, blocks: None };
        let end = "TO STDOUT WITH (FORMAT text, ENCODING 'LATIN1')";
        assert_eq!(copy_statement(&table, None, "LATIN1"), format!("COPY \"s\".\"a\"\"b\" (\"x\", \"Y z\") {end}"));
        let from = "COPY (SELECT \"x\", \"Y z\" FROM ONLY \"s\".\"a\"\"b\" WHERE ctid >= '(7,0)'::tid";
        assert_eq!(copy_statement(&table, Some((7, None)), "LATIN1"), format!("{from}) {end}"));
        let between = format!("{from} AND ctid < '(9,0)'::tid) {end}");
        assert_eq!(copy_statement(&table, Some((7, Some(9))), "LATIN1"), between);
    }
}
