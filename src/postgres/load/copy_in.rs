//! A session that loads rows.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::super::reach::Reach;
use super::super::row_session::RowSession;
use super::super::timeouts;
use super::ledger::RECORD;
use crate::model::dump::{Large, Stream, quoted};
use crate::model::error::{Error, Result};
use crate::model::interrupt::Interrupt;

/// What the text of a dump means.
const SETTINGS: &str = "SET search_path = pg_catalog; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; \
     SET row_security = off; \
     SELECT set_config('session_replication_role', 'origin', false) WHERE current_setting('session_replication_role') <> 'origin'; \
     SET check_function_bodies = off; SET xmloption = content";

/// That takes rows as they were dumped.
pub(super) fn copy(table: &Large, encoding: &str) -> String {
    let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
    let (name, columns) = (table.table.quoted(), columns.join(", "));
    format!("COPY {name} ({columns}) FROM STDIN WITH (FORMAT text, ENCODING '{encoding}')")
}

pub struct CopyIn(RowSession);

impl CopyIn {
    pub fn begin(server: &Reach, database: &str) -> Result<CopyIn> {
        Ok(CopyIn(RowSession::open(server, database, &[timeouts::none(server.version), SETTINGS.to_owned()])?))
    }

    /// One `COPY` of all that `feed` hands out, in one transaction with its entry in the ledger, which has how many rows
    /// it was. Without its end nothing is loaded.
    pub fn rows(
        &mut self,
        (table, stream): (&Large, &Stream),
        encoding: &str,
        interrupt: &Interrupt,
        feed: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let sql = copy(table, encoding);
        let named = |error: Error| Error { message: format!("table {}: {}", table.table, error.message), ..error };
        let session = &self.0;
        session.wait(session.client.batch_execute("BEGIN"), interrupt)?;
        let sink = session.wait(session.client.copy_in::<_, Bytes>(&sql), interrupt).map_err(named)?;
        let mut sink = pin!(sink);
        feed(&mut |bytes| session.wait(sink.send(Bytes::copy_from_slice(bytes)), interrupt).map_err(named))?;
        let rows = session.wait(sink.finish(), interrupt).map_err(named)?;
        self.record(stream, rows, interrupt)?;
        session.wait(session.client.batch_execute("COMMIT"), interrupt)
    }

    /// That all of a stream is loaded.
    pub fn record(&self, stream: &Stream, rows: u64, interrupt: &Interrupt) -> Result<()> {
        let (key, rows) = (i64::from(stream.key()), rows.cast_signed());
        self.0.wait(self.0.client.execute(RECORD, &[&key, &rows]), interrupt).map(|_| ())
    }
}
