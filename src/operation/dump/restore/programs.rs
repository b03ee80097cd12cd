//! Programs that can load a dump: as new as the server and as the `pg_dump` that made it, and not too new for the server.

use std::path::Path;

use crate::model::dump::Summary;
use crate::model::error::{Code, Error, Result};
use crate::postgres::{ClientPrograms, Connection, Need};

/// From this major on `pg_restore` sets `transaction_timeout`, whatever the server
/// (`_doSetFixedOutputState` in pg_backup_archiver.c), and older servers refuse that.
pub const SETS_TRANSACTION_TIMEOUT: u32 = 17;

pub fn find(server: &Connection, summary: &Summary, bindir: Option<&Path>) -> Result<ClientPrograms> {
    let (server, dump) = (server.version().major(), summary.pg_dump_major);
    let because = match server < dump {
        true => format!("the dump was made by pg_dump {dump}"),
        false => format!("the server is PostgreSQL {server}"),
    };
    let need = Need { major: server.max(dump), because: &because, program: "pg_restore" };
    let programs = ClientPrograms::find(&need, bindir)?;
    if programs.major >= SETS_TRANSACTION_TIMEOUT && server < SETS_TRANSACTION_TIMEOUT {
        let major = programs.major;
        let message = format!("pg_restore {major} cannot load into PostgreSQL {server}, and {because}");
        let hint = match dump < SETS_TRANSACTION_TIMEOUT {
            true => format!("apt-get install postgresql-client-{server}, or --bindir DIR where pg_restore {server} is"),
            false => format!(
                "--into a server of PostgreSQL {SETS_TRANSACTION_TIMEOUT} or newer; or dump again with pg_dump {server}: --bindir DIR"
            ),
        };
        return Err(Error::new(Code::Refused, message).hint(hint));
    }
    Ok(programs)
}
