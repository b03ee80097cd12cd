//! The live database that the tables go into, below a schema of their own.

use serde::Deserialize;

use super::family::{Family, Member};
use super::file::dump_of;
use super::needs::Need;
use super::{Request, words};
use crate::model::connection_string::ConnectionString;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::table_name::{TableName, quoted};
use crate::operation::restore::StoppedCopy;
use crate::postgres::{Installation, LiveDatabase, ScratchServer, Script, counted_commit};
use crate::report::restore::Plan;

/// Begins a line of an answer that is for us.
const MARK: &str = "pgcairn";

pub struct Live {
    connection: ConnectionString,
    pub database: String,
    /// Where the tables go.
    pub schema: String,
    state: State,
    /// Those of the tables asked for that are there now.
    there: Vec<TableName>,
}

/// What the server says of itself.
#[derive(Debug, Deserialize)]
struct State {
    database: String,
    role: String,
    major: u32,
    version: String,
    is_standby: bool,
    is_read_only: bool,
    may_create: bool,
    has_schema: bool,
    /// A publication of all tables.
    publication: Option<String>,
    there: Vec<bool>,
}

impl Live {
    /// Asks, and changes nothing.
    pub fn look(
        installation: &Installation,
        connection: &ConnectionString,
        request: &Request,
        plan: &Plan,
        interrupt: &Interrupt,
    ) -> Result<Live> {
        let (schema, tables) = (words::schema(plan), &request.tables);
        let database = tables.first().map(|table| table.database.clone()).unwrap_or_default();
        let answer = LiveDatabase { installation, connection, database: &database }
            .ask(&question(&schema, tables), interrupt)
            .map_err(|error| error.hint(way_in(&LiveWords { installation, connection, database: &database })))?;
        let state = answer.iter().find_map(|line| serde_json::from_str::<State>(line).ok());
        let state = state.ok_or_else(|| Error::new(Code::Internal, "the live server's answer is not as expected"))?;
        let there = tables.iter().zip(&state.there).filter(|(_, is_there)| **is_there);
        let there = there.map(|(table, _)| table.clone()).collect();
        Ok(Live { connection: connection.clone(), database, schema, state, there })
    }

    fn open<'l>(&'l self, installation: &'l Installation) -> LiveDatabase<'l> {
        LiveDatabase { installation, connection: &self.connection, database: &self.database }
    }

    pub fn refuse(&self, installation: &Installation) -> Result<()> {
        let State { database, role, major, version, .. } = &self.state;
        let (name, schema) = (quoted(&self.database), &self.schema);
        let refused = |message: String, hint: String| Err(Error::new(Code::Refused, message).hint(hint));
        if *database != self.database {
            return refused(
                format!("the connection leads to database {}, and the tables are of {name}", quoted(database)),
                "leave dbname out of --into, or name this one".to_owned(),
            );
        }
        if self.state.is_standby {
            return refused(
                "the live server is a standby, which takes no tables".to_owned(),
                "--into its primary".to_owned(),
            );
        }
        if *major < installation.major() {
            return refused(
                format!("the live server is PostgreSQL {version}, and the backup of {}", installation.version),
                "a table does not go back to an earlier major; --output FILE.sql is a script that can be edited"
                    .to_owned(),
            );
        }
        if self.state.is_read_only {
            return refused(
                format!("transactions of {} in {name} are read-only", quoted(role)),
                format!("ALTER ROLE {} SET default_transaction_read_only = off", quoted(role)),
            );
        }
        if !self.state.may_create {
            return Err(Error::new(Code::Permission, format!("{} may not make a schema in {name}", quoted(role)))
                .hint(format!("GRANT CREATE ON DATABASE {name} TO {}", quoted(role))));
        }
        if self.state.has_schema {
            return refused(
                format!("{name} has a schema {schema} already"),
                format!(
                    "look what is in it; then {}",
                    self.psql(installation, &format!("DROP SCHEMA {schema} CASCADE"))
                ),
            );
        }
        if let Some(publication) = &self.state.publication {
            return refused(
                format!(
                    "publication {} of {name} is for all tables: its subscribers would be sent {schema}",
                    quoted(publication)
                ),
                "a subscriber without these tables stops; take them into a file: --output FILE".to_owned(),
            );
        }
        Ok(())
    }

    /// Of what the tables rely on.
    pub fn refuse_lacking(&self, installation: &Installation, needs: &[Need], interrupt: &Interrupt) -> Result<()> {
        let question = |(number, need): (usize, &Need)| {
            format!("SELECT 'pgcairn {number}' FROM pg_catalog.pg_get_object_address({});\n", need.address)
        };
        let questions: String = needs.iter().enumerate().map(question).collect();
        // One that is not there is an error, and the next is asked for all the same.
        let answer = self.open(installation).ask(&format!("\\set ON_ERROR_STOP off\n{questions}"), interrupt)?;
        let is_there = |number: usize| answer.iter().any(|line| *line == format!("{MARK} {number}"));
        let lacking: Vec<&str> = needs
            .iter()
            .enumerate()
            .filter(|(number, _)| !is_there(*number))
            .map(|(_, need)| need.words.as_str())
            .collect();
        match lacking.as_slice() {
            [] => Ok(()),
            lacking => {
                let message =
                    format!("{} lacks what the tables rely on: {}", quoted(&self.database), lacking.join(", "));
                Err(Error::new(Code::Refused, message)
                    .hint("make it there first, or take the tables into a file: --output FILE"))
            }
        }
    }

    /// Every table, and as many rows as the copy has, in one transaction. Gives the rows that were counted there.
    pub fn load(
        &self,
        copy: &StoppedCopy,
        server: &ScratchServer,
        moved: &Family,
        expected: &[(Member, u64)],
        interrupt: &Interrupt,
    ) -> Result<Vec<u64>> {
        let mut dump = dump_of(copy, server, &moved.database);
        for option in ["--no-owner", "--no-privileges", "--no-security-labels", "--no-tablespaces"] {
            dump.argument(option);
        }
        dump.argument(format!("--schema={}", self.schema));
        let tables = expected.iter().map(|(member, rows)| (member.in_database(), *rows));
        let after = counted_commit::end(&tables.collect::<Vec<_>>());
        let script = Script { before: "BEGIN;\n".to_owned(), after };
        let answer = self
            .open(&copy.installation)
            .load(&mut dump, &script, interrupt)
            .map_err(|error| self.unfinished(copy, error))?;
        let counted = counted_commit::counted(&answer);
        let differing = expected.iter().zip(&counted).find(|((_, rows), counted)| rows != *counted);
        if let Some(((member, rows), counted)) = differing {
            return Err(nothing_loaded(Error::new(
                Code::TableLoad,
                format!("of {rows} rows of {} {counted} arrived", quoted(&member.name)),
            )));
        }
        if counted.len() != expected.len() || !counted_commit::is_committed(&answer) {
            return Err(nothing_loaded(Error::new(Code::TableLoad, "the live server did not take all of it")));
        }
        Ok(counted)
    }

    /// Where the server went away nobody knows whether it had committed.
    fn unfinished(&self, copy: &StoppedCopy, error: Error) -> Error {
        let there = format!("SELECT to_regnamespace('{}') IS NOT NULL", self.schema);
        match error.code {
            Code::Unreachable => {
                error.hint(format!("all of it is there or nothing: {}", self.psql(&copy.installation, &there)))
            }
            _ => nothing_loaded(error),
        }
    }

    pub fn has(&self, table: &TableName) -> bool {
        self.there.contains(table)
    }

    /// A command for a person.
    pub fn psql(&self, installation: &Installation, statement: &str) -> String {
        words::psql(&LiveWords { installation, connection: &self.connection, database: &self.database }, statement)
    }

    pub fn version(&self) -> &str {
        &self.state.version
    }
}

/// What leads a person there.
pub struct LiveWords<'a> {
    pub installation: &'a Installation,
    pub connection: &'a ConnectionString,
    pub database: &'a str,
}

fn way_in(live: &LiveWords<'_>) -> String {
    format!("{} -c 'SELECT version()'   # with passwords from PGPASSFILE, passfile= or a service", words::client(live))
}

fn nothing_loaded(error: Error) -> Error {
    match error.hint {
        None => error.hint("nothing of it is in the live database; its log says more"),
        Some(_) => error,
    }
}

/// One line of JSON. Names are literals here, whatever is in them.
fn question(schema: &str, tables: &[TableName]) -> String {
    let there = tables.iter().map(|table| format!("to_regclass({}) IS NOT NULL", literal(&table.in_database())));
    let there: Vec<String> = there.collect();
    format!(
        "SELECT json_build_object('database', current_database(), 'role', current_user, \
         'major', current_setting('server_version_num')::int / 10000, 'version', current_setting('server_version'), \
         'is_standby', pg_is_in_recovery(), 'is_read_only', current_setting('transaction_read_only')::bool, \
         'may_create', has_database_privilege(current_database(), 'CREATE'), \
         'has_schema', EXISTS (SELECT FROM pg_namespace WHERE nspname = {}), \
         'publication', (SELECT min(pubname::text) FROM pg_publication WHERE puballtables), \
         'there', json_build_array({}));\n",
        literal(schema),
        there.join(", ")
    )
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let table = TableName { database: "d".into(), schema: "it's".into(), name: "a\"b".into() };
        assert!(question("s", &[table]).contains("to_regclass('\"it''s\".\"a\"\"b\"')"));
    }
}
