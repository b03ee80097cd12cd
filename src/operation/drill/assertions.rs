//! What the configuration says must hold: a statement whose one answer is true.

use ::postgres::types::Type;
use ::postgres::{Client, Column};

use super::check::Finding;
use crate::config::DrillCheck;
use crate::model::error::Result;
use crate::operation::scratch::{Deadline, said};
use crate::postgres::ScratchServer;

const READER: &str = "SELECT format('CREATE ROLE %2$I LOGIN BYPASSRLS IN ROLE pg_read_all_data; \
     ALTER DATABASE %1$I CONNECTION LIMIT -1; GRANT CONNECT ON DATABASE %1$I TO %2$I; \
     ALTER ROLE %2$I SET default_transaction_read_only = on', $1::text, $2::text)";

/// What only a superuser's session could put right, for itself. An empty list of libraries can be set for no role: it
/// would be taken for a name. Event triggers are there from 17 on.
const RESET: &str = "SELECT string_agg(format('ALTER ROLE ALL RESET %2$I; ALTER DATABASE %1$I RESET %2$I', $1::text, name), '; ') \
     FROM (SELECT name FROM pg_settings WHERE name IN ('session_preload_libraries', 'local_preload_libraries', \
     'event_triggers', 'ignore_checksum_failure', 'zero_damaged_pages') UNION ALL SELECT 'role') AS setting";

/// A session of a role of its own, which may read everything and nothing else: what an assertion calls is the database's.
/// In a transaction that only reads it changes nothing for the next one.
fn reader(server: &ScratchServer, database: &str, deadline: &Deadline) -> Result<Client> {
    let name = format!("pgcairn_drill_{:08x}", rand::random::<u32>());
    let mut superuser = server.client()?;
    deadline.watch(&superuser);
    let text = |row: ::postgres::Row| row.try_get::<_, String>(0);
    let statements = [
        superuser.query_one(READER, &[&database, &name]).and_then(text).map_err(said)?,
        superuser.query_one(RESET, &[&database]).and_then(text).map_err(said)?,
    ];
    statements.iter().try_for_each(|sql| superuser.batch_execute(sql).map_err(said))?;
    server.session_of(&name, database)
}

pub fn check(server: &ScratchServer, assertion: &DrillCheck, deadline: &Deadline) -> Result<Finding> {
    let mut session = reader(server, &assertion.database, deadline)?;
    deadline.watch(&session);
    let mut transaction = session.transaction().map_err(said)?;
    let statement = transaction.prepare(&assertion.sql).map_err(said)?;
    if statement.columns().iter().map(Column::type_).ne([&Type::BOOL]) {
        return Ok(Finding::failed("the answer is no boolean: select an expression that is true or false"));
    }
    // A second one is too many, however many follow.
    let portal = transaction.bind(&statement, &[]).map_err(said)?;
    let rows = transaction.query_portal(&portal, 2).map_err(said)?;
    let answers = rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<Vec<Option<bool>>, _>>();
    Ok(match answers.map_err(said)?.as_slice() {
        [Some(true)] => Finding::passed("true"),
        [Some(false)] => Finding::failed("the answer is false, and must be true"),
        [None] => Finding::failed("the answer is null, and must be true"),
        [] => Finding::failed("there is no answer, and must be one"),
        _ => Finding::failed("there is more than one answer"),
    })
}
