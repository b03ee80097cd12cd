//! The server that is dumped, and its databases.

use jiff::Timestamp;

use super::super::connection::{Connection, ServerVersion};
use crate::model::dump::Locale;
use crate::model::error::{Code, Error, Result};

/// `pg_control_system` may be executed by every role, on managed servers too.
const SERVER: &str = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()";

/// What `CREATE DATABASE` and `ALTER DATABASE` need to make it again.
fn databases(major: u32) -> String {
    let (provider, locale) = match major {
        ..=14 => ("'c'", "NULL"),
        15..=16 => ("d.datlocprovider::text", "d.daticulocale"),
        _ => ("d.datlocprovider::text", "d.datlocale"),
    };
    format!(
        "SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate::text, \
         d.datctype::text, {provider}, {locale}::text, coalesce(s.setconfig, '{{}}'), \
         shobj_description(d.oid, 'pg_database'), has_database_privilege(d.oid, 'CONNECT'), current_user::text, \
         CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN coalesce(pg_database_size(d.oid), 0) ELSE 0 END \
         FROM pg_database d \
         LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid AND s.setrole = 0 \
         WHERE d.datallowconn AND NOT d.datistemplate AND NOT ({LEFTOVER}) ORDER BY d.datname"
    )
}

/// Nobody can connect to one whose `DROP` was cut off (`DATCONNLIMIT_INVALID_DB` in pg_database.h), and one of our own
/// names is a restore that is not complete.
const LEFTOVER: &str = "d.datconnlimit = -2 OR d.datname ~ '^pgcairn_[0-9a-f]{16}$'";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpServer {
    pub version: ServerVersion,
    pub system_identifier: u64,
    pub in_recovery: bool,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedDatabase {
    pub name: String,
    pub owner: String,
    pub encoding: String,
    pub locale: Locale,
    pub settings: Vec<String>,
    pub comment: Option<String>,
    pub may_connect: bool,
    /// The role that may or may not.
    pub asked_by: String,
    /// On disk, indexes included; 0 where the role may not connect.
    pub bytes: u64,
}

impl Connection {
    pub fn dump_server(&mut self) -> Result<DumpServer> {
        let row = self.query_one(SERVER, &[])?;
        let (identifier, in_recovery): (String, bool) = (self.column(&row, 0)?, self.column(&row, 1)?);
        let system_identifier = identifier.parse().map_err(|_| {
            Error::new(Code::Internal, format!("the server's system identifier is \"{identifier}\", no number"))
        })?;
        Ok(DumpServer { version: self.version(), system_identifier, in_recovery, now: self.now()? })
    }

    pub fn has_database(&mut self, name: &str) -> Result<bool> {
        Ok(self.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name])?.is_some())
    }

    pub fn has_role(&mut self, name: &str) -> Result<bool> {
        Ok(self.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&name])?.is_some())
    }

    /// Whether the role may read `pg_authid`.
    pub fn sees_passwords(&mut self) -> Result<bool> {
        let row = self.query_one("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')", &[])?;
        self.column(&row, 0)
    }

    /// Names of those that are half dropped or half restored.
    pub fn leftover_databases(&mut self) -> Result<Vec<String>> {
        let rows = self.query(&format!("SELECT datname FROM pg_database d WHERE {LEFTOVER} ORDER BY 1"), &[])?;
        rows.iter().map(|row| self.column(row, 0)).collect()
    }

    /// Those that can be connected to, templates and leftovers left out; in the order of their names.
    pub fn dumped_databases(&mut self) -> Result<Vec<DumpedDatabase>> {
        let rows = self.query(&databases(self.version().major()), &[])?;
        let database = |row: &::postgres::Row| {
            let bytes: i64 = self.column(row, 11)?;
            Ok(DumpedDatabase {
                name: self.column(row, 0)?,
                owner: self.column(row, 1)?,
                encoding: self.column(row, 2)?,
                locale: Locale {
                    collate: self.column(row, 3)?,
                    ctype: self.column(row, 4)?,
                    provider: self.column(row, 5)?,
                    name: self.column(row, 6)?,
                },
                settings: self.column(row, 7)?,
                comment: self.column(row, 8)?,
                may_connect: self.column(row, 9)?,
                asked_by: self.column(row, 10)?,
                bytes: bytes.unsigned_abs(),
            })
        };
        rows.iter().map(database).collect()
    }
}
