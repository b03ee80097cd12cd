//! The databases of the copy, made such that each of them can be looked at.

use super::{Deadline, said};
use crate::model::error::Result;
use crate::postgres::ScratchServer;

/// `template0` is what `initdb` made. One that is half dropped (`DATCONNLIMIT_INVALID_DB` in `pg_database.h`) lets nobody
/// in.
const ALL: &str =
    "SELECT oid, datname::text, datconnlimit <> -2 FROM pg_database WHERE datname <> 'template0' ORDER BY datname";

const CLOSED: &str = "SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname) FROM pg_database \
     WHERE NOT datallowconn AND datconnlimit <> -2 AND datname <> 'template0'";

const PREPARED: &str =
    "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database()";

pub struct Known {
    pub oid: u32,
    pub name: String,
}

/// That can be entered, and that are half dropped.
pub struct Databases {
    pub whole: Vec<Known>,
    pub half_dropped: Vec<Known>,
}

/// Opens those that are closed, and ends transactions that were prepared: nobody will, and they hold locks.
pub fn open(server: &ScratchServer, deadline: &Deadline) -> Result<Databases> {
    let mut session = server.client()?;
    deadline.watch(&session);
    for row in session.query(CLOSED, &[]).map_err(said)? {
        session.batch_execute(row.try_get(0).map_err(said)?).map_err(said)?;
    }
    let databases = known(server)?;
    for database in &databases.whole {
        let mut session = server.session(&database.name)?;
        deadline.watch(&session);
        for row in session.query(PREPARED, &[]).map_err(said)? {
            session.batch_execute(row.try_get(0).map_err(said)?).map_err(said)?;
        }
    }
    Ok(databases)
}

fn known(server: &ScratchServer) -> Result<Databases> {
    let mut databases = Databases { whole: Vec::new(), half_dropped: Vec::new() };
    for row in server.client()?.query(ALL, &[]).map_err(said)? {
        let known = Known { oid: row.try_get(0).map_err(said)?, name: row.try_get(1).map_err(said)? };
        let is_whole: bool = row.try_get(2).map_err(said)?;
        if is_whole { &mut databases.whole } else { &mut databases.half_dropped }.push(known);
    }
    Ok(databases)
}
