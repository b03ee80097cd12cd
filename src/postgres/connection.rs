//! One connection, with every setting that could end or change a long session put out of the way.

use std::fmt;
use std::time::Duration;

use ::postgres::types::ToSql;
use ::postgres::{Client, Row};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::endpoint::Endpoint;
use super::parameters::{Parameters, not_usable};
use super::reach::Reach;
use super::timeouts;
use crate::model::error::{Code, Error, Result};

/// Majors whose backup functions and files this release knows.
pub(super) const SUPPORTED: std::ops::RangeInclusive<u32> = 14..=19;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const DEFAULT_HOST: &str = "/var/run/postgresql";
pub(super) const DEFAULT_PORT: u16 = 5432;
pub(super) const DEFAULT_DATABASE: &str = "postgres";
pub(super) const APPLICATION_NAME: &str = "pgcairn";

/// search_path decides which function a name means; parallel workers would not be let into a backup session.
const SESSION_SETTINGS: &str = "SET search_path = pg_catalog; SET client_encoding = 'UTF8'; \
     SET max_parallel_workers_per_gather = 0; SET DateStyle = 'ISO'; SET bytea_output = 'hex'";

/// What a server may have to be, and how it says that it is; one that prefers takes the others after all
/// (`target_session_attrs`).
const KINDS: [(&str, &str); 6] = [
    ("any", "SELECT true"),
    ("read-write", "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'"),
    ("read-only", "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"),
    ("primary", "SELECT NOT pg_is_in_recovery()"),
    ("standby", "SELECT pg_is_in_recovery()"),
    ("prefer-standby", "SELECT pg_is_in_recovery()"),
];

/// `server_version_num`: major * 10000 + minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion(pub u32);

impl ServerVersion {
    pub fn major(self) -> u32 {
        self.0 / 10000
    }

    pub fn minor(self) -> u32 {
        self.0 % 10000
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}

pub struct Connection {
    client: Client,
    reach: Reach,
}

impl Connection {
    /// `text` as libpq takes it: `host=/var/run/postgresql user=postgres dbname=postgres`. Of several servers the first that
    /// answers and is of the kind that is asked for.
    pub fn open(text: &str) -> Result<Connection> {
        let parameters = Parameters::of_text(text)?;
        let known = KINDS.map(|(name, _)| name);
        let kind = parameters.one_of("target_session_attrs", &known)?.unwrap_or("any");
        let question = KINDS.iter().find(|(name, _)| *name == kind).map_or("SELECT true", |(_, question)| question);
        let endpoints = Endpoint::all(&parameters)?;
        let mut failed = None;
        for (question, endpoint) in endpoints
            .iter()
            .map(|endpoint| (question, endpoint))
            .chain(endpoints.iter().filter(|_| kind.starts_with("prefer-")).map(|endpoint| ("SELECT true", endpoint)))
        {
            match Connection::of_kind(endpoint, kind, question) {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| not_usable("it names no server")))
    }

    fn of_kind(endpoint: &Endpoint, kind: &str, question: &str) -> Result<Connection> {
        let mut connection = Connection::connect(endpoint.clone(), endpoint.database())?;
        let row = connection.query_one(question, &[])?;
        if connection.column(&row, 0)? {
            return Ok(connection);
        }
        let message = format!("the server at {} is not {kind}, as target_session_attrs asks for", endpoint.address());
        Err(Error::new(Code::Unreachable, message).hint("host=A,B names several servers to choose from"))
    }

    /// The same server and role, another database.
    pub(super) fn open_database(&self, name: &str) -> Result<Connection> {
        Connection::connect(self.reach.endpoint.clone(), name)
    }

    /// Another session in the same database.
    pub(super) fn beside(&self) -> Result<Connection> {
        self.open_database(&self.reach.database)
    }

    /// What other sessions and programs need to come to the same server.
    pub fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// What is better known of the way to the server.
    pub fn caution(&self) -> Option<Error> {
        self.reach.endpoint.caution()
    }

    fn connect(endpoint: Endpoint, database: &str) -> Result<Connection> {
        let config = ::postgres::Config::from(endpoint.config_of(database));
        let mut client = config.connect(endpoint.tls()).map_err(|e| endpoint.unreachable(&e, database))?;
        let version = read_version(&mut client).map_err(|e| endpoint.unreachable(&e, database))?;
        if !SUPPORTED.contains(&version.major()) {
            let (oldest, newest) = (SUPPORTED.start(), SUPPORTED.end());
            let message = format!("the server is PostgreSQL {version}, and {oldest} to {newest} are supported");
            return Err(Error::new(Code::Refused, message).hint("pgcairn --version"));
        }
        let mut connection = Connection { client, reach: Reach { endpoint, database: database.to_owned(), version } };
        connection.execute_all(&timeouts::none(version))?;
        connection.execute_all(SESSION_SETTINGS)?;
        Ok(connection)
    }

    pub fn version(&self) -> ServerVersion {
        self.reach.version
    }

    /// Proves that the session lives; idle-session killers outside of the server look for traffic.
    pub fn heartbeat(&mut self) -> Result<()> {
        self.query_one("SELECT 1", &[]).map(|_| ())
    }

    pub(super) fn limit_statements(&mut self, limit: Duration) -> Result<()> {
        self.execute_all(&format!("SET statement_timeout = {}", limit.as_millis()))
    }

    pub fn in_recovery(&mut self) -> Result<bool> {
        let row = self.query_one("SELECT pg_is_in_recovery()", &[])?;
        self.column(&row, 0)
    }

    /// A command that runs statements as a superuser on this server, each in a transaction of its own:
    /// `ALTER SYSTEM` asks for that.
    pub(super) fn superuser_command(&self, statements: &[&str]) -> String {
        let database = quote(&self.reach.database);
        let statements: String = statements.iter().map(|sql| format!(" -c {}", quote(sql))).collect();
        format!("psql {} -U postgres -d {database}{statements}", self.reach.endpoint.address().options())
    }

    pub(super) fn query(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        self.client.query(sql, parameters).map_err(|e| self.failed(&e))
    }

    pub(super) fn query_one(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row> {
        self.client.query_one(sql, parameters).map_err(|e| self.failed(&e))
    }

    pub(super) fn query_opt(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>> {
        self.client.query_opt(sql, parameters).map_err(|e| self.failed(&e))
    }

    pub(super) fn execute_all(&mut self, sql: &str) -> Result<()> {
        self.execute_of(sql).map_err(|e| self.failed(&e))
    }

    /// For callers that look at what went wrong.
    pub(super) fn execute_of(&mut self, sql: &str) -> std::result::Result<(), ::postgres::Error> {
        self.client.batch_execute(sql)
    }

    /// A column of a row that a query of ours returned.
    pub(super) fn column<'r, T: ::postgres::types::FromSql<'r>>(&self, row: &'r Row, index: usize) -> Result<T> {
        row.try_get(index).map_err(|e| self.failed(&e))
    }

    pub(super) fn failed(&self, error: &::postgres::Error) -> Error {
        self.reach.failed(error)
    }
}

fn read_version(client: &mut Client) -> std::result::Result<ServerVersion, ::postgres::Error> {
    let row = client.query_one("SELECT current_setting('server_version_num')::integer", &[])?;
    let number: i32 = row.try_get(0)?;
    Ok(ServerVersion(u32::try_from(number).unwrap_or(0)))
}

/// Where the server listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub fn of(config: &Config) -> Address {
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => config.get_hostaddrs().first().map_or_else(|| DEFAULT_HOST.to_owned(), ToString::to_string),
        };
        Address { host, port: config.get_ports().first().copied().unwrap_or(DEFAULT_PORT) }
    }

    /// As psql and pg_isready take it.
    pub fn options(&self) -> String {
        format!("-h {} -p {}", quote(&self.host), self.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

/// A word of a shell command, in the quotes that leave it readable.
fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-=:".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else if word.contains('\'') && !word.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quote("postgres"), "postgres");
        assert_eq!(quote("it's"), "\"it's\"");
        assert_eq!(quote("it's \"$x\""), r#"'it'\''s "$x"'"#);
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_server_that_is_not_there() {
        let error = Connection::open("host=/nonexistent port=5499 user=x").err().unwrap();
        assert_eq!(error.code, Code::Unreachable);
        assert_eq!(error.hint.as_deref(), Some("pg_isready -h /nonexistent -p 5499"));
        assert!(error.message.starts_with("the server at /nonexistent port 5499 cannot be reached: "), "{error}");
        let error = Connection::open("colour=red").err().unwrap();
        assert_eq!(error.code, Code::ConfigValue);
    }

    #[test]
    fn versions() {
        assert_eq!(ServerVersion(150014).to_string(), "15.14");
        assert_eq!(ServerVersion(180000).major(), 18);
    }
}
