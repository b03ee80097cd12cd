//! What a restored copy will need beside its files: recorded with each backup and compared at restore.

use serde::{Deserialize, Serialize};

use super::{Connection, Settings};
use crate::model::error::Result;

/// Databases whose extensions are listed; each costs a connection.
const MAX_DATABASES: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// As `version()` prints it: minor, packager, platform, compiler.
    pub version: String,
    /// Of the machine pgcairn ran on.
    pub architecture: String,
    pub shared_preload_libraries: String,
    /// The cluster's first, or else another who may log in; backups before it was recorded have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superuser: Option<String>,
    pub databases: Vec<Database>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub oid: u32,
    pub name: String,
    pub encoding: String,
    pub collate: String,
    pub ctype: String,
    /// libc, icu or builtin.
    pub locale_provider: String,
    /// ICU's or the builtin provider's locale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Of the library on the origin, glibc's or ICU's: another one may sort differently, and then indexes
    /// must be rebuilt. 15 and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation_version: Option<String>,
    /// Empty where nobody may connect, or too many databases exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub name: String,
    pub version: String,
}

const SUPERUSER: &str =
    "SELECT rolname::text FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY oid <> 10, oid LIMIT 1";
const EXTENSIONS: &str = "SELECT extname::text, extversion FROM pg_extension ORDER BY 1";

impl Environment {
    pub fn read(connection: &mut Connection, settings: &Settings) -> Result<Environment> {
        let row = connection.query_one("SELECT version()", &[])?;
        Ok(Environment {
            version: connection.column(&row, 0)?,
            architecture: std::env::consts::ARCH.to_owned(),
            shared_preload_libraries: settings.shared_preload_libraries.clone(),
            superuser: superuser(connection)?,
            databases: databases(connection)?,
        })
    }
}

/// `BOOTSTRAP_SUPERUSERID` is 10.
fn superuser(connection: &mut Connection) -> Result<Option<String>> {
    let row = connection.query_opt(SUPERUSER, &[])?;
    row.map(|row| connection.column(&row, 0)).transpose()
}

fn databases(connection: &mut Connection) -> Result<Vec<Database>> {
    let rows = connection.query(&databases_query(connection.version().major()), &[])?;
    let mut databases = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let (name, open): (String, bool) = (connection.column(row, 1)?, connection.column(row, 8)?);
        let extensions = if open && index < MAX_DATABASES { extensions(connection, &name) } else { Vec::new() };
        databases.push(Database {
            oid: connection.column(row, 0)?,
            name,
            encoding: connection.column(row, 2)?,
            collate: connection.column(row, 3)?,
            ctype: connection.column(row, 4)?,
            locale_provider: connection.column(row, 5)?,
            locale: connection.column(row, 6)?,
            collation_version: connection.column(row, 7)?,
            extensions,
        });
    }
    Ok(databases)
}

/// Columns of pg_database came with 15 (provider, version) and changed their names with 17.
fn databases_query(major: u32) -> String {
    let (provider, locale, version) = match major {
        ..15 => ("'c'::\"char\"", "NULL::text", "NULL::text"),
        15 | 16 => ("datlocprovider", "daticulocale", "pg_database_collation_actual_version(oid)"),
        _ => ("datlocprovider", "datlocale", "pg_database_collation_actual_version(oid)"),
    };
    format!(
        "SELECT oid, datname::text, pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text, \
         CASE {provider} WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE {provider}::text END, \
         {locale}, {version}, datallowconn AND has_database_privilege(oid, 'CONNECT') \
         FROM pg_database ORDER BY datistemplate, oid"
    )
}

/// Good to know and not worth failing for: a database may refuse the connection for reasons of its own.
fn extensions(connection: &Connection, database: &str) -> Vec<Extension> {
    let read = || -> Result<Vec<Extension>> {
        let mut database = connection.open_database(database)?;
        let rows = database.query(EXTENSIONS, &[])?;
        let extension = |row| Ok(Extension { name: database.column(row, 0)?, version: database.column(row, 1)? });
        rows.iter().map(extension).collect()
    };
    read().unwrap_or_default()
}
