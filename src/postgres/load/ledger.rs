//! What of a database is loaded, in a table of it that takes part in the transactions that load: whether a stream is in
//! it, a later run knows for certain. Its session is there for as long as the database is filled, and keeps other runs out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::reach::Reach;
use super::super::row_session::{RowSession, TICK};
use super::super::timeouts;
use super::unfinished::{Purpose, Step};
use crate::model::dump::{TableName, only};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// As a number: `cairn`.
const LOCK: &str = "SELECT pg_try_advisory_lock(x'636169726e'::bigint)";

/// Of other runs.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
     AND application_name IN ('pgcairn', 'pg_restore', current_setting('application_name'))";

/// For the sessions of a run that was killed to see that it is gone.
const PATIENCE: Duration = Duration::from_secs(10);

const SETTINGS: &str = "SET search_path = pg_catalog; SET default_transaction_read_only = off";

const BEGIN: &str = "CREATE SCHEMA pgcairn_restore; \
     CREATE TABLE pgcairn_restore.loaded (stream bigint PRIMARY KEY, rows bigint NOT NULL); \
     CREATE UNLOGGED TABLE pgcairn_restore.witness AS SELECT 1 AS is_there";
const COMMENT: &str =
    "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";

/// A server that crashed, or another one in its place, has emptied them, and the entries are there all the same.
const HAS_UNLOGGED: &str = "SELECT EXISTS (SELECT FROM pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'S', 'm') \
     AND relnamespace <> coalesce(to_regnamespace('pgcairn_restore')::oid, 0))";
const WITNESS_IS_LOST: &str = "SELECT NOT EXISTS (SELECT FROM pgcairn_restore.witness)";

/// Every session of ours would set them off.
const HAS_LOGIN_TRIGGERS: &str = "SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtevent = 'login')";
const EVENT_TRIGGERS: &str = "SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger t WHERE NOT EXISTS \
     (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')";
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

/// Without a slot: dropping one would drop it, at the publisher. A database that has a subscription cannot be dropped.
const SUBSCRIPTIONS: &str = "SELECT format(statement, subname) FROM pg_subscription, \
     unnest(ARRAY['ALTER SUBSCRIPTION %I DISABLE', 'ALTER SUBSCRIPTION %I SET (slot_name = NONE)', 'DROP SUBSCRIPTION %I']) \
     WITH ORDINALITY AS s (statement, at) \
     WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY subname, at";

pub struct Ledger(RowSession);

impl Ledger {
    /// Refused while another run is at work in the database.
    pub fn open(server: &Reach, database: &str, interrupt: &Interrupt) -> Result<Ledger> {
        let since = Instant::now();
        loop {
            let settings = [timeouts::none(server.version), SETTINGS.to_owned()];
            let ledger = Ledger(RowSession::open(server, database, &settings)?);
            let is_ours: bool = ledger.one(LOCK, interrupt)?;
            let others: i64 = ledger.one(SESSIONS, interrupt)?;
            if is_ours && others == 0 {
                return Ok(ledger);
            }
            // Whoever has it might want to give it its name, which takes that nobody is connected.
            drop(ledger);
            if since.elapsed() > PATIENCE {
                return Err(busy(database));
            }
            interrupt.check()?;
            std::thread::sleep(5 * TICK);
        }
    }

    /// Read again, now that no other run can go on.
    pub fn step(&self, purpose: &Purpose, interrupt: &Interrupt) -> Result<Step> {
        let comment: Option<String> = self.one(COMMENT, interrupt)?;
        comment.and_then(|comment| purpose.step_of(&comment)).ok_or_else(|| {
            Error::new(Code::Refused, "another run has gone on meanwhile with what was left")
                .hint("run the same command again")
        })
    }

    /// Why, if so.
    pub fn cannot_go_on(&self, step: Step, interrupt: &Interrupt) -> Result<Option<&'static str>> {
        if self.one(HAS_UNLOGGED, interrupt)? && (step > Step::Rows || self.one(WITNESS_IS_LOST, interrupt)?) {
            return Ok(Some("its unlogged tables may have been emptied by a crash of the server"));
        }
        let is_set_off = self.one::<bool>(HAS_LOGIN_TRIGGERS, interrupt)?;
        Ok(is_set_off.then_some("it has login triggers already"))
    }

    pub fn heartbeat(&self, interrupt: &Interrupt) -> Result<()> {
        self.one::<i32>("SELECT 1", interrupt).map(|_| ())
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

    pub fn count(&self, tables: &[TableName], interrupt: &Interrupt) -> Result<Vec<u64>> {
        self.0.count(tables, interrupt)
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
            self.run(&format!("TRUNCATE {}", only(some.iter().copied())), interrupt)?;
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

    /// Event triggers hear of nothing that is done, and subscriptions are gone, which leaves publishers alone.
    pub fn silence(&self, interrupt: &Interrupt) -> Result<()> {
        let session = &self.0;
        for list in [EVENT_TRIGGERS, SUBSCRIPTIONS] {
            for row in session.wait(session.client.query(list, &[]), interrupt)? {
                let statement: String = row.try_get(0).map_err(|e| session.server.failed(&e))?;
                self.run(&statement, interrupt)?;
            }
        }
        Ok(())
    }

    pub fn run(&self, sql: &str, interrupt: &Interrupt) -> Result<()> {
        self.0.wait(self.0.client.batch_execute(sql), interrupt)
    }

    fn one<T: for<'r> tokio_postgres::types::FromSql<'r>>(&self, sql: &str, interrupt: &Interrupt) -> Result<T> {
        let row = self.0.wait(self.0.client.query_one(sql, &[]), interrupt)?;
        row.try_get(0).map_err(|e| self.0.server.failed(&e))
    }
}

fn busy(database: &str) -> Error {
    let message = format!("another run is filling {database}");
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
    Error::new(Code::Refused, message).hint(format!(
        "wait for it; or, where it was killed, end what it has left, which would end a run that lives, too: {end}"
    ))
}
