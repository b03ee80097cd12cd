//! A session beside the first one, for rows. Of its own runtime, in the thread that calls it: a message for every row
//! costs next to nothing so, and the synchronous face would wake up for each.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Client;

use super::reach::Reach;
use crate::model::dump::TableName;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// A silent server is asked nothing meanwhile, but an interrupt is seen.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Tables counted by one statement.
pub const COUNTED_AT_ONCE: usize = 50;

/// A statement whose one answer is how many rows each of these has.
pub(super) fn counts(tables: &[TableName]) -> String {
    let one = |table: &TableName| format!("(SELECT count(*) FROM ONLY {})", table.quoted());
    format!("SELECT ARRAY[{}]", tables.iter().map(one).collect::<Vec<_>>().join(", "))
}

pub(super) struct RowSession {
    pub runtime: Runtime,
    pub client: Client,
    pub server: Reach,
}

impl RowSession {
    /// `settings` are statements that begin it, each a transaction of its own.
    pub fn open(server: &Reach, database: &str, settings: &[String]) -> Result<RowSession> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::new(Code::Io, format!("no runtime can be started: {e}")))?;
        let config = server.config_of(database);
        let client = runtime.block_on(async {
            let (client, connection) =
                config.connect(server.tls()).await.map_err(|error| server.unreachable(&error, database))?;
            tokio::spawn(connection);
            for statement in settings {
                client.batch_execute(statement).await.map_err(|error| server.failed(&error))?;
            }
            Ok::<_, Error>(client)
        })?;
        Ok(RowSession { runtime, client, server: server.clone() })
    }

    /// However long the server takes; an interrupt ends it.
    pub fn wait<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
        interrupt: &Interrupt,
    ) -> Result<T> {
        self.runtime.block_on(async {
            let mut answer = std::pin::pin!(answer);
            loop {
                match tokio::time::timeout(TICK, &mut answer).await {
                    Ok(answer) => return answer.map_err(|e| self.server.failed(&e)),
                    Err(_) => interrupt.check()?,
                }
            }
        })
    }

    /// How many rows each of these has.
    pub fn count(&self, tables: &[TableName], interrupt: &Interrupt) -> Result<Vec<u64>> {
        let mut all = Vec::with_capacity(tables.len());
        for some in tables.chunks(COUNTED_AT_ONCE) {
            let row = self.wait(self.client.query_one(&counts(some), &[]), interrupt)?;
            let found: Vec<i64> = row.try_get(0).map_err(|e| self.server.failed(&e))?;
            all.extend(found.into_iter().map(i64::unsigned_abs));
        }
        Ok(all)
    }
}
