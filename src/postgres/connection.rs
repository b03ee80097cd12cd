//! One connection, with every setting that could end or change a long session put out of the way.

use std::fmt;
use std::time::Duration;

use ::postgres::types::ToSql;
use ::postgres::{Client, NoTls, Row};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::failure::{Failure, unreachable};
use super::reach::Reach;
use crate::model::error::{Code, Error, Result};

/// Majors whose backup functions and files this release knows.
pub(super) const SUPPORTED: std::ops::RangeInclusive<u32> = 14..=19;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_HOST: &str = "/var/run/postgresql";
const DEFAULT_PORT: u16 = 5432;
pub(super) const DEFAULT_DATABASE: &str = "postgres";
pub(super) const APPLICATION_NAME: &str = "pgcairn";

/// Sessions are killed for being idle, statements for being slow; search_path decides which function a
/// name means; parallel workers would not be let into a backup session.
const SESSION_SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0; SET search_path = pg_catalog; SET client_encoding = 'UTF8'; \
     SET max_parallel_workers_per_gather = 0; SET DateStyle = 'ISO'; SET bytea_output = 'hex'";
const SESSION_SETTINGS_17: &str = "SET transaction_timeout = 0";

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
    config: Config,
    version: ServerVersion,
}

impl Connection {
    /// `parameters` as libpq writes them: `host=/var/run/postgresql user=postgres dbname=postgres`.
    pub fn open(parameters: &str) -> Result<Connection> {
        let config = parameters.parse::<Config>().map_err(|e| {
            Error::new(Code::ConfigValue, format!("\"connection\" is not a connection string: {}", Failure(&e)))
                .hint("pgcairn config schema")
        })?;
        Connection::connect(with_defaults(config))
    }

    /// The same server and role, another database.
    pub(super) fn open_database(&self, name: &str) -> Result<Connection> {
        let mut config = self.config.clone();
        config.dbname(name);
        Connection::connect(config)
    }

    /// What other sessions and programs need to come to the same server.
    pub fn reach(&self) -> Reach {
        Reach { config: self.config.clone(), version: self.version }
    }

    fn connect(config: Config) -> Result<Connection> {
        let connected = ::postgres::Config::from(config.clone()).connect(NoTls);
        let mut client = connected.map_err(|e| unreachable(&e, &Address::of(&config)))?;
        let version = read_version(&mut client).map_err(|e| unreachable(&e, &Address::of(&config)))?;
        if !SUPPORTED.contains(&version.major()) {
            let (oldest, newest) = (SUPPORTED.start(), SUPPORTED.end());
            let message = format!("the server is PostgreSQL {version}, and {oldest} to {newest} are supported");
            return Err(Error::new(Code::Refused, message).hint("pgcairn --version"));
        }
        let mut connection = Connection { client, config, version };
        connection.execute_all(SESSION_SETTINGS)?;
        if version.major() >= 17 {
            connection.execute_all(SESSION_SETTINGS_17)?;
        }
        Ok(connection)
    }

    pub fn version(&self) -> ServerVersion {
        self.version
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
        let database = quote(self.config.get_dbname().unwrap_or(DEFAULT_DATABASE));
        let statements: String = statements.iter().map(|sql| format!(" -c {}", quote(sql))).collect();
        format!("psql {} -U postgres -d {database}{statements}", Address::of(&self.config).options())
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
        super::failure::failed(error, &Address::of(&self.config))
    }
}

fn with_defaults(mut config: Config) -> Config {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host(DEFAULT_HOST);
    }
    if config.get_dbname().is_none() {
        config.dbname(DEFAULT_DATABASE);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name(APPLICATION_NAME);
    }
    config
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
    fn what_is_not_said_has_a_default() {
        let config = with_defaults("user=me".parse().unwrap());
        assert_eq!(Address::of(&config).options(), "-h /var/run/postgresql -p 5432");
        assert_eq!(config.get_dbname(), Some("postgres"));
        let config = with_defaults("host='/tmp/a b' port=5433 dbname=x".parse().unwrap());
        assert_eq!(Address::of(&config).options(), "-h '/tmp/a b' -p 5433");
        assert_eq!(config.get_dbname(), Some("x"));
    }

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
