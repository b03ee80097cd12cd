//! How a server that answered is reached again: for sessions beside the first one, and for programs of PostgreSQL. Always
//! the same server, where a connection string names several: a snapshot is known to one alone.

use std::ffi::OsString;

use tokio_postgres::Config;

use super::connection::ServerVersion;
use super::endpoint::Endpoint;
use super::tls::Tls;
use crate::model::error::Error;

#[derive(Clone)]
pub struct Reach {
    pub(super) endpoint: Endpoint,
    /// Of the first session.
    pub(super) database: String,
    pub(super) version: ServerVersion,
}

impl Reach {
    /// For a session of the same role in another database.
    pub(super) fn config_of(&self, database: &str) -> Config {
        self.endpoint.config_of(database)
    }

    pub(super) fn tls(&self) -> Tls {
        self.endpoint.tls()
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Settings of every session, as a server's command line takes them.
    pub(super) fn options(&self) -> Option<String> {
        self.config_of(&self.database).get_options().map(str::to_owned)
    }

    /// What programs of PostgreSQL need to reach the same server as the same role.
    pub(super) fn program_environment(&self, database: &str) -> Vec<(&'static str, OsString)> {
        self.endpoint.program_environment(database)
    }

    /// There was no such session.
    pub(super) fn unreachable(&self, error: &tokio_postgres::Error, database: &str) -> Error {
        self.endpoint.unreachable(error, database)
    }

    /// What went wrong in such a session.
    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        super::failure::failed(error, &self.endpoint.address())
    }
}
