//! What a connection string comes to: with the service that it names, and with what the environment says of *how* a server
//! is reached. *Which* server and role that is, only the string and the service say, so that a variable left over in
//! somebody's shell leads nowhere (`conninfo_add_defaults` in `fe-connect.c`, as far as that goes).

mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use nix::unistd::{User, geteuid};

use crate::model::connection_string::{ConnectionString, ConnectionStringError};
use crate::model::error::{Code, Error, Result};

/// Words that the environment may say where the string does not.
const VARIABLES: [(&str, &str); 13] = [
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("gssencmode", "PGGSSENCMODE"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
];

/// They ask for more than our own sessions look at.
const NOT_KEPT_TO: [&str; 4] = ["PGREQUIREAUTH", "PGREQUIREPEER", "PGSSLCERTMODE", "PGSSLCRLDIR"];

/// A variable of the environment.
pub(super) type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// What is not said has no entry, nor has what is said to be nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters {
    words: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Parameters {
    pub fn of_text(text: &str) -> Result<Parameters> {
        let connection = ConnectionString::parse(text).map_err(|error| match error {
            ConnectionStringError::Secret => not_usable("it is not as libpq takes it"),
            error => Error::new(Code::ConfigValue, error.to_string()).hint(HINT),
        })?;
        Parameters::of(&connection)
    }

    pub fn of(connection: &ConnectionString) -> Result<Parameters> {
        Parameters::resolve(connection, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn resolve(connection: &ConnectionString, variable: Variable) -> Result<Parameters> {
        if let Some(name) = NOT_KEPT_TO.iter().find(|name| variable(name).is_some()) {
            let message = format!("{name} is set, and pgcairn's own sessions cannot keep to it");
            return Err(Error::new(Code::ConfigValue, message).hint(format!("unset {name}")));
        }
        let home = variable("HOME").map(PathBuf::from).or_else(|| Some(User::from_uid(geteuid()).ok()??.dir));
        let said = connection.words().map(|(word, value)| (word.to_owned(), value.to_owned()));
        let mut parameters = Parameters { words: said.collect(), home };
        parameters.add_service(variable)?;
        for (word, name) in VARIABLES {
            if let Some(value) = variable(name) {
                parameters.words.entry(word.to_owned()).or_insert(value);
            }
        }
        parameters.words.retain(|_, value| !value.is_empty());
        Ok(parameters)
    }

    fn add_service(&mut self, variable: Variable) -> Result<()> {
        let names_server = self.get("host").or(self.get("hostaddr")).is_some();
        let named = self.get("service").map(str::to_owned);
        let Some(name) = named.or_else(|| variable("PGSERVICE").filter(|_| !names_server)) else { return Ok(()) };
        let said = self.get("servicefile").map(str::to_owned).or_else(|| variable("PGSERVICEFILE"));
        for (word, value) in service::read(&name, said, self.in_home(".pg_service.conf"), variable)? {
            self.words.entry(word).or_insert(value);
        }
        Ok(())
    }

    pub(super) fn get(&self, word: &str) -> Option<&str> {
        self.words.get(word).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// One of some values.
    pub(super) fn one_of(&self, word: &str, known: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(value) = self.get(word) else { return Ok(None) };
        let found = known.iter().find(|known| **known == value).copied();
        let wrong = || not_usable(&format!("{word} is \"{value}\", none of {}", known.join(", ")));
        found.map(Some).ok_or_else(wrong)
    }

    pub(super) fn number<N: FromStr>(&self, word: &str) -> Result<Option<N>> {
        let Some(value) = self.get(word) else { return Ok(None) };
        value.trim().parse().map(Some).map_err(|_| not_usable(&format!("{word} is \"{value}\", which is no number")))
    }

    /// A list of as many as there are commas, and one more.
    pub(super) fn list(&self, word: &str) -> Vec<&str> {
        self.get(word).map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// A file, as programs that run elsewhere find it.
    pub(super) fn file(&self, word: &str) -> Option<PathBuf> {
        self.get(word).and_then(|path| std::path::absolute(path).ok())
    }

    pub(super) fn in_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }
}

const HINT: &str =
    "the words are those of libpq: host=db.example port=5432 user=backup dbname=postgres sslmode=verify-full";

/// What is wrong with the string; values of words that hold secrets are no part of it.
pub(super) fn not_usable(what: &str) -> Error {
    Error::new(Code::ConfigValue, format!("the connection string cannot be used: {what}")).hint(HINT)
}

#[cfg(test)]
#[path = "parameters_tests.rs"]
mod tests;
