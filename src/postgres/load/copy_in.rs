//! A session that loads rows, in a runtime of its own as [`super::super::dump::CopyOut`] is.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use super::super::reach::Reach;
use crate::model::dump::{Large, TableName, quoted};
use crate::model::error::{Code, Error, Result};

/// What the text of a dump means.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET search_path = pg_catalog; \
     SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET row_security = off; \
     SET session_replication_role = DEFAULT; SET check_function_bodies = off; SET xmloption = content";

/// Tables counted by one statement.
const COUNTED_AT_ONCE: usize = 50;

pub struct CopyIn {
    runtime: Runtime,
    client: Client,
    server: Reach,
}

impl CopyIn {
    pub fn begin(server: &Reach, database: &str) -> Result<CopyIn> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::new(Code::Io, format!("no runtime can be started: {e}")))?;
        let config = server.config_of(database);
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(SETTINGS).await?;
            Ok(client)
        });
        let client = client.map_err(|error: tokio_postgres::Error| server.failed(&error))?;
        Ok(CopyIn { runtime, client, server: server.clone() })
    }

    /// One `COPY` of all that `feed` hands out; returns how many rows it was. Without its end nothing is loaded.
    pub fn rows(
        &mut self,
        table: &Large,
        encoding: &str,
        feed: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<u64> {
        let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
        let sql = format!(
            "COPY {} ({}) FROM STDIN WITH (FORMAT text, ENCODING '{encoding}')",
            table.table.quoted(),
            columns.join(", ")
        );
        let (runtime, server) = (&self.runtime, &self.server);
        let failed = |error: tokio_postgres::Error| {
            let error = server.failed(&error);
            Error { message: format!("table {}: {}", table.table, error.message), ..error }
        };
        let sink = runtime.block_on(self.client.copy_in::<_, Bytes>(&sql)).map_err(failed)?;
        let mut sink = pin!(sink);
        feed(&mut |bytes| runtime.block_on(sink.send(Bytes::copy_from_slice(bytes))).map_err(failed))?;
        runtime.block_on(sink.finish()).map_err(failed)
    }

    /// How many rows each of these has.
    pub fn count(&mut self, tables: &[TableName]) -> Result<Vec<u64>> {
        let mut counts = Vec::with_capacity(tables.len());
        for some in tables.chunks(COUNTED_AT_ONCE) {
            let one = |table: &TableName| format!("(SELECT count(*) FROM ONLY {})", table.quoted());
            let sql = format!("SELECT ARRAY[{}]", some.iter().map(one).collect::<Vec<_>>().join(", "));
            let row = self.runtime.block_on(self.client.query_one(&sql, &[])).map_err(|e| self.server.failed(&e))?;
            let found: Vec<i64> = row.try_get(0).map_err(|e| self.server.failed(&e))?;
            counts.extend(found.into_iter().map(i64::unsigned_abs));
        }
        Ok(counts)
    }
}
