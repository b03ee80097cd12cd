//! Questions about the tables of users, for a live server and for a copy alike.

use ::postgres::{Client, Row};

use super::connection::Connection;
use crate::model::error::Result;

/// Databases that sessions may enter.
pub const DATABASES: &str = "SELECT oid, datname::text FROM pg_database WHERE datallowconn ORDER BY datname";

/// How many relations have a file of their own that `initdb` did not make; those of unlogged tables are in no backup.
pub const RELATIONS: &str =
    "SELECT count(*) FROM pg_class WHERE pg_relation_filenode(oid) >= 16384 AND relpersistence = 'p'";

/// Tables with rows of their own, with size and with what the planner reckons.
const USER_TABLES: &str = "SELECT n.nspname::text, c.relname::text, pg_table_size(c.oid), c.reltuples::float8 \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relispopulated \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 1, 2";

#[derive(Debug, Clone, PartialEq)]
pub struct UserTable {
    pub schema: String,
    pub name: String,
    pub bytes: u64,
    /// `None` before anything was reckoned.
    pub reckoned_rows: Option<u64>,
}

/// Of the database of a session.
pub fn user_tables(client: &mut Client) -> std::result::Result<Vec<UserTable>, ::postgres::Error> {
    client.query(USER_TABLES, &[])?.iter().map(user_table).collect()
}

fn user_table(row: &Row) -> std::result::Result<UserTable, ::postgres::Error> {
    let (bytes, reckoned): (i64, f64) = (row.try_get(2)?, row.try_get(3)?);
    Ok(UserTable {
        schema: row.try_get(0)?,
        name: row.try_get(1)?,
        bytes: u64::try_from(bytes).unwrap_or(0),
        reckoned_rows: (reckoned >= 0.0).then_some(reckoned as u64),
    })
}

impl Connection {
    /// Of every database that this role may enter.
    pub fn user_tables(&mut self) -> Result<Vec<(String, Vec<UserTable>)>> {
        let rows = self.query(DATABASES, &[])?;
        let mut all = Vec::new();
        for row in &rows {
            let name: String = self.column(row, 1)?;
            let Ok(mut database) = self.open_database(&name) else { continue };
            let tables = database.query(USER_TABLES, &[])?.iter().filter_map(|row| user_table(row).ok()).collect();
            all.push((name, tables));
        }
        Ok(all)
    }
}
