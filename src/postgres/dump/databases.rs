//! The server that is dumped, and its databases.

use jiff::Timestamp;

use super::super::connection::{Connection, ServerVersion};
use crate::model::error::{Code, Error, Result};

/// `pg_control_system` may be executed by every role, on managed servers too.
const SERVER: &str = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()";

const DATABASES: &str = "SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), \
     pg_database_size(oid) FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpServer {
    pub version: ServerVersion,
    pub system_identifier: u64,
    pub in_recovery: bool,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDatabase {
    pub name: String,
    pub owner: String,
    pub encoding: String,
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

    /// Whether the role may read `pg_authid`.
    pub fn sees_passwords(&mut self) -> Result<bool> {
        let row = self.query_one("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')", &[])?;
        self.column(&row, 0)
    }

    /// Those that can be connected to, templates left out; in the order of their names.
    pub fn dumped_databases(&mut self) -> Result<Vec<LiveDatabase>> {
        let rows = self.query(DATABASES, &[])?;
        let database = |row: &::postgres::Row| {
            let bytes: i64 = self.column(row, 3)?;
            let (name, owner) = (self.column(row, 0)?, self.column(row, 1)?);
            Ok(LiveDatabase { name, owner, encoding: self.column(row, 2)?, bytes: bytes.unsigned_abs() })
        };
        rows.iter().map(database).collect()
    }
}
