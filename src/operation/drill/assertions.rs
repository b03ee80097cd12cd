//! What the configuration says must hold: a statement whose one answer is true.

use ::postgres::{Client, SimpleQueryMessage};

use super::check::{Finding, said};
use super::deadline::Deadline;
use crate::config::DrillCheck;
use crate::model::error::Result;
use crate::postgres::ScratchServer;

/// So much of another answer is shown.
const SHOWN: usize = 200;

/// The libraries are the origin's. An empty value of theirs can be set for no role: it would be taken for a name.
const READER: &str = "SELECT format('CREATE ROLE %2$I LOGIN BYPASSRLS IN ROLE pg_read_all_data; \
     GRANT CONNECT ON DATABASE %1$I TO %2$I; ALTER ROLE %2$I SET default_transaction_read_only = on; \
     ALTER ROLE ALL RESET session_preload_libraries; ALTER DATABASE %1$I RESET session_preload_libraries; \
     ALTER ROLE ALL RESET local_preload_libraries; ALTER DATABASE %1$I RESET local_preload_libraries', \
     $1::text, $2::text)";

/// A session of a role of its own, which may read everything and nothing else: what an assertion calls is the database's.
/// In a transaction that only reads it changes nothing for the next one.
fn reader(server: &ScratchServer, database: &str) -> Result<Client> {
    let name = format!("pgcairn_drill_{:08x}", rand::random::<u32>());
    let mut superuser = server.client()?;
    let statements = superuser.query_one(READER, &[&database, &name]).and_then(|row| row.try_get::<_, String>(0));
    superuser.batch_execute(&statements.map_err(said)?).map_err(said)?;
    server.session_of(&name, database)
}

pub fn check(server: &ScratchServer, assertion: &DrillCheck, deadline: &Deadline) -> Result<Finding> {
    let mut session = reader(server, &assertion.database)?;
    deadline.watch(&session);
    let answers = session.simple_query(&assertion.sql).map_err(said)?;
    let rows: Vec<Option<String>> = answers
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((!row.is_empty()).then(|| row.get(0).map(str::to_owned)).flatten()),
            _ => None,
        })
        .collect();
    Ok(match rows.as_slice() {
        [Some(answer)] if answer == "t" => Finding::passed("true"),
        [Some(answer)] => Finding::failed(format!("the answer is {}, and must be true", shown(answer))),
        [None] => Finding::failed("the answer is null, and must be true"),
        rows => Finding::failed(format!("there are {} answers, and must be one", rows.len())),
    })
}

fn shown(answer: &str) -> String {
    if answer == "f" { "false".to_owned() } else { answer.chars().take(SHOWN).collect() }
}
