//! Questions about the tables of users, for a live server and for a copy alike.

use std::time::Duration;

use ::postgres::{Client, Row};

use super::connection::Connection;
use crate::model::error::Result;

/// Databases that sessions may enter.
pub const DATABASES: &str =
    "SELECT oid, datname::text FROM pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY datname";

/// How many relations have a file of their own that `initdb` did not make; those of unlogged tables are in no backup.
pub const RELATIONS: &str =
    "SELECT count(*) FROM pg_class WHERE pg_relation_filenode(oid) >= 16384 AND relpersistence = 'p'";

/// Tables with rows of their own, and what the planner estimates. It waits for no lock: the size of a table would.
const USER_TABLES: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.reltuples::float8 \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relispopulated \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 2, 3";

const COUNT: &str = "SELECT format('SELECT pg_table_size($1::oid), count(*) FROM ONLY %I.%I', $1::text, $2::text)";

#[derive(Debug, Clone, PartialEq)]
pub struct UserTable {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `None` before anything was estimated.
    pub estimated_rows: Option<u64>,
}

/// Of the database of a session.
pub fn user_tables(client: &mut Client) -> std::result::Result<Vec<UserTable>, ::postgres::Error> {
    client.query(USER_TABLES, &[])?.iter().map(user_table).collect()
}

fn user_table(row: &Row) -> std::result::Result<UserTable, ::postgres::Error> {
    let estimated: f64 = row.try_get(3)?;
    Ok(UserTable {
        oid: row.try_get(0)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        estimated_rows: (estimated >= 0.0).then_some(estimated as u64),
    })
}

/// Size and rows, where `table` is one of [`user_tables`]. `ONLY`: children are tables of their own.
pub fn size_and_rows(client: &mut Client, table: &UserTable) -> std::result::Result<(u64, u64), ::postgres::Error> {
    let query = client.query_one(COUNT, &[&table.schema, &table.name])?.try_get::<_, String>(0)?;
    let row = client.query_one(&query, &[&table.oid])?;
    let number = |column| row.try_get(column).map(|number: i64| u64::try_from(number).unwrap_or(0));
    Ok((number(0)?, number(1)?))
}

/// For each statement: somebody may have locked a catalog.
const LOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// What a server has, as far as this role may see it.
#[derive(Debug, Default, PartialEq)]
pub struct ServerTables {
    /// By their database.
    pub tables: Vec<(String, Vec<UserTable>)>,
    pub not_entered: Vec<String>,
}

impl Connection {
    pub fn user_tables(&mut self) -> Result<ServerTables> {
        let mut all = ServerTables::default();
        self.limit_statements(LOOK_TIMEOUT)?;
        for row in &self.query(DATABASES, &[])? {
            let name: String = self.column(row, 1)?;
            let Ok(mut database) = self.open_database(&name) else {
                all.not_entered.push(name);
                continue;
            };
            database.limit_statements(LOOK_TIMEOUT)?;
            let rows = database.query(USER_TABLES, &[])?;
            let tables = rows.iter().map(|row| user_table(row).map_err(|error| database.failed(&error)));
            all.tables.push((name, tables.collect::<Result<_>>()?));
        }
        Ok(all)
    }
}
