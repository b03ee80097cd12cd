//! The name of the relation that a file belongs to, for people who must look at a damaged page.

use std::collections::HashMap;

use super::Connection;
use crate::model::error::Result;
use crate::model::relation::RelationFile;

const DATABASE: &str = "SELECT datname::text FROM pg_database WHERE oid = $1 AND datallowconn";

const RELATION: &str = "SELECT quote_ident(nspname) || '.' || quote_ident(relname) \
     FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = pg_filenode_relation($1, $2)";

/// Connections to the databases asked for, made once each. A database that lets nobody in has no names.
pub struct RelationNames {
    server: Connection,
    databases: HashMap<u32, Option<(String, Connection)>>,
}

impl RelationNames {
    pub fn new(server: Connection) -> RelationNames {
        RelationNames { server, databases: HashMap::new() }
    }

    /// `database.schema.relation`; without the database for a shared catalog. `None` where it is gone or
    /// cannot be told.
    pub fn lookup(&mut self, file: RelationFile) -> Result<Option<String>> {
        if file.database == 0 {
            return relation(&mut self.server, file);
        }
        let server = &mut self.server;
        let database = match self.databases.entry(file.database) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(connect(server, file.database)?),
        };
        let Some((name, connection)) = database else { return Ok(None) };
        Ok(relation(connection, file)?.map(|relation| format!("{name}.{relation}")))
    }
}

fn connect(server: &mut Connection, oid: u32) -> Result<Option<(String, Connection)>> {
    let Some(row) = server.query_opt(DATABASE, &[&oid])? else { return Ok(None) };
    let name: String = server.column(&row, 0)?;
    // A role without CONNECT on this one database is no reason to fail.
    Ok(server.open_database(&name).ok().map(|connection| (name, connection)))
}

fn relation(connection: &mut Connection, file: RelationFile) -> Result<Option<String>> {
    let row = connection.query_opt(RELATION, &[&file.tablespace, &file.name.relfilenode])?;
    row.map(|row| connection.column(&row, 0)).transpose()
}
