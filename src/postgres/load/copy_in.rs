//! A session that loads rows.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::super::reach::Reach;
use super::super::row_session::RowSession;
use crate::model::dump::{Large, TableName, quoted};
use crate::model::error::{Error, Result};
use crate::model::interrupt::Interrupt;

/// What the text of a dump means.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET search_path = pg_catalog; \
     SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET row_security = off; \
     SET session_replication_role = DEFAULT; SET check_function_bodies = off; SET xmloption = content";

pub struct CopyIn(RowSession);

impl CopyIn {
    pub fn begin(server: &Reach, database: &str) -> Result<CopyIn> {
        Ok(CopyIn(RowSession::open(server, database, &[SETTINGS.to_owned()])?))
    }

    /// One `COPY` of all that `feed` hands out; returns how many rows it was. Without its end nothing is loaded.
    pub fn rows(
        &mut self,
        table: &Large,
        encoding: &str,
        interrupt: &Interrupt,
        feed: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<u64> {
        let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
        let sql = format!(
            "COPY {} ({}) FROM STDIN WITH (FORMAT text, ENCODING '{encoding}')",
            table.table.quoted(),
            columns.join(", ")
        );
        let named = |error: Error| Error { message: format!("table {}: {}", table.table, error.message), ..error };
        let session = &self.0;
        let sink = session.wait(session.client.copy_in::<_, Bytes>(&sql), interrupt).map_err(named)?;
        let mut sink = pin!(sink);
        feed(&mut |bytes| session.wait(sink.send(Bytes::copy_from_slice(bytes)), interrupt).map_err(named))?;
        session.wait(sink.finish(), interrupt).map_err(named)
    }

    pub fn count(&self, tables: &[TableName], interrupt: &Interrupt) -> Result<Vec<u64>> {
        self.0.count(tables, interrupt)
    }
}
