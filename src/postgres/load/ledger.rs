//! What of a database is loaded, in a table of it that takes part in the transactions that load: whether a stream is in
//! it, a later run knows for certain. Its session is there for as long as the database is filled, and keeps other runs out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::reach::Reach;
use super::super::row_session::{RowSession, TICK};
use super::super::timeouts;
use crate::model::dump::TableName;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// As a number: `cairn`.
const LOCK: &str = "SELECT pg_try_advisory_lock(x'636169726e'::bigint)";

/// Of other runs.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
     AND application_name IN ('pgcairn', 'pg_restore')";

/// For the sessions of a run that was killed to see that it is gone.
const PATIENCE: Duration = Duration::from_secs(10);

const BEGIN: &str = "CREATE SCHEMA pgcairn_restore; \
     CREATE TABLE pgcairn_restore.loaded (stream bigint PRIMARY KEY, rows bigint NOT NULL)";
const IS_THERE: &str = "SELECT to_regclass('pgcairn_restore.loaded') IS NOT NULL";
const LOADED: &str = "SELECT stream, rows FROM pgcairn_restore.loaded";
pub(super) const RECORD: &str = "INSERT INTO pgcairn_restore.loaded VALUES ($1, $2)";
const END: &str = "DROP SCHEMA pgcairn_restore CASCADE";

/// Of what `CREATE EXTENSION` has put there, nothing is among the rows of a dump (`pg_extension_config_dump`).
const CONFIGURATION: &str = "SELECT n.nspname::text, c.relname::text, x.condition FROM pg_extension e, \
     unnest(e.extconfig, e.extcondition) AS x (oid, condition) JOIN pg_class c ON c.oid = x.oid \
     JOIN pg_namespace n ON n.oid = c.relnamespace";

/// Each takes a lock until its statement has ended.
const AT_ONCE: usize = 100;

/// Dropping one would drop its slot, at the publisher.
const SUBSCRIPTIONS: &str = "SELECT format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname) FROM pg_subscription \
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";

pub struct Ledger(RowSession);

impl Ledger {
    /// Refused while another run is at work in the database.
    pub fn open(server: &Reach, database: &str, interrupt: &Interrupt) -> Result<Ledger> {
        let settings = [timeouts::none(server.version), "SET search_path = pg_catalog".to_owned()];
        let ledger = Ledger(RowSession::open(server, database, &settings)?);
        let since = Instant::now();
        loop {
            let is_ours: bool = ledger.one(LOCK, interrupt)?;
            let others: i64 = ledger.one(SESSIONS, interrupt)?;
            if is_ours && others == 0 {
                return Ok(ledger);
            }
            if since.elapsed() > PATIENCE {
                return Err(busy(database));
            }
            interrupt.check()?;
            std::thread::sleep(TICK);
        }
    }

    pub fn begin(&self, interrupt: &Interrupt) -> Result<()> {
        self.run(BEGIN, interrupt)
    }

    /// By the first piece of each stream how many rows it has brought.
    pub fn loaded(&self, interrupt: &Interrupt) -> Result<BTreeMap<u32, u64>> {
        let session = &self.0;
        let rows = session.wait(session.client.query(LOADED, &[]), interrupt)?;
        let entry = |row: &tokio_postgres::Row| {
            let get = |column| row.try_get::<_, i64>(column).map_err(|e| session.server.failed(&e));
            Ok((u32::try_from(get(0)?).unwrap_or(u32::MAX), get(1)?.unsigned_abs()))
        };
        rows.iter().map(entry).collect()
    }

    /// Before there are event triggers, which would hear of it.
    pub fn end(&self, interrupt: &Interrupt) -> Result<()> {
        if self.one(IS_THERE, interrupt)? { self.run(END, interrupt) } else { Ok(()) }
    }

    /// Of tables that a run before may have begun to fill, none has a row of the dump then.
    pub fn empty(&self, tables: &[TableName], interrupt: &Interrupt) -> Result<()> {
        let session = &self.0;
        let rows = session.wait(session.client.query(CONFIGURATION, &[]), interrupt)?;
        let mut conditions = BTreeMap::new();
        for row in &rows {
            let get = |column| row.try_get::<_, String>(column).map_err(|e| session.server.failed(&e));
            conditions.insert(TableName { schema: get(0)?, name: get(1)? }, get(2)?);
        }
        let (of_extensions, own): (Vec<&TableName>, Vec<_>) =
            tables.iter().partition(|table| conditions.contains_key(table));
        for some in own.chunks(AT_ONCE) {
            let list = some.iter().map(|table| format!("ONLY {}", table.quoted())).collect::<Vec<_>>().join(", ");
            self.run(&format!("TRUNCATE {list}"), interrupt)?;
        }
        for table in of_extensions {
            let condition = conditions.get(table).map(String::as_str).unwrap_or_default();
            self.run(&format!("DELETE FROM ONLY {} {condition}", table.quoted()), interrupt)?;
        }
        Ok(())
    }

    pub fn unlink_large_objects(&self, interrupt: &Interrupt) -> Result<()> {
        let some = format!(
            "SELECT count(lo_unlink(oid)) FROM (SELECT oid FROM pg_largeobject_metadata LIMIT {AT_ONCE}) AS few"
        );
        while self.one::<i64>(&some, interrupt)? > 0 {}
        Ok(())
    }

    /// What is dropped and made again leaves publishers alone.
    pub fn detach_subscriptions(&self, interrupt: &Interrupt) -> Result<()> {
        let session = &self.0;
        for row in session.wait(session.client.query(SUBSCRIPTIONS, &[]), interrupt)? {
            let statement: String = row.try_get(0).map_err(|e| session.server.failed(&e))?;
            self.run(&statement, interrupt)?;
        }
        Ok(())
    }

    fn run(&self, sql: &str, interrupt: &Interrupt) -> Result<()> {
        self.0.wait(self.0.client.batch_execute(sql), interrupt)
    }

    fn one<T: for<'r> tokio_postgres::types::FromSql<'r>>(&self, sql: &str, interrupt: &Interrupt) -> Result<T> {
        let row = self.0.wait(self.0.client.query_one(sql, &[]), interrupt)?;
        row.try_get(0).map_err(|e| self.0.server.failed(&e))
    }
}

fn busy(database: &str) -> Error {
    let message = format!("another run is filling {database}");
    let who = format!("SELECT pid, application_name, query FROM pg_stat_activity WHERE datname = '{database}'");
    Error::new(Code::Refused, message)
        .hint(format!("wait for it; or, where it was killed, end what it has left: {who}"))
}
