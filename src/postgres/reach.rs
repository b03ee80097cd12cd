//! How a server is reached: for sessions beside the first one, and for programs of PostgreSQL.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::connection::{APPLICATION_NAME, Address, DEFAULT_DATABASE, ServerVersion};
use crate::model::error::Error;

#[derive(Debug, Clone)]
pub struct Reach {
    pub(super) config: Config,
    pub(super) version: ServerVersion,
}

impl Reach {
    /// For a session of the same role in another database.
    pub(super) fn config_of(&self, database: &str) -> Config {
        let mut config = self.config.clone();
        config.dbname(database);
        config
    }

    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or(DEFAULT_DATABASE)
    }

    /// What programs of PostgreSQL need to reach the same server as the same role. In their environment, which others
    /// cannot see, as they can arguments.
    pub(super) fn program_environment(&self, database: &str) -> Vec<(&'static str, OsString)> {
        let joined = |words: Vec<OsString>| words.join(OsStr::new(","));
        let host = |host: &Host| match host {
            Host::Tcp(name) => OsString::from(name),
            Host::Unix(path) => path.into(),
        };
        let hosts: Vec<OsString> = self.config.get_hosts().iter().map(host).collect();
        let addresses: Vec<OsString> =
            self.config.get_hostaddrs().iter().map(|address| address.to_string().into()).collect();
        let ports: Vec<OsString> = self.config.get_ports().iter().map(|port| port.to_string().into()).collect();
        let mode = match self.config.get_ssl_mode() {
            SslMode::Disable => "disable",
            SslMode::Require => "require",
            _ => "prefer",
        };
        let seconds = self.config.get_connect_timeout().map(|limit| limit.as_secs().max(1).to_string());
        let password = self.config.get_password().map(|password| OsStr::from_bytes(password).to_owned());
        let all = [
            ("PGHOST", Some(joined(hosts)).filter(|hosts| !hosts.is_empty())),
            ("PGHOSTADDR", Some(joined(addresses)).filter(|addresses| !addresses.is_empty())),
            ("PGPORT", Some(joined(ports)).filter(|ports| !ports.is_empty())),
            ("PGUSER", self.config.get_user().map(OsString::from)),
            ("PGPASSWORD", password),
            ("PGDATABASE", Some(database.into())),
            ("PGOPTIONS", self.config.get_options().map(OsString::from)),
            ("PGAPPNAME", Some(APPLICATION_NAME.into())),
            ("PGSSLMODE", Some(mode.into())),
            ("PGCONNECT_TIMEOUT", seconds.map(OsString::from)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// What went wrong in such a session.
    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        super::failure::failed(error, &Address::of(&self.config))
    }
}
