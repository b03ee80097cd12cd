//! What a connection string of libpq says, as far as it matters before libpq reads it (`conninfo_parse` and
//! `conninfo_uri_parse_options` in `fe-connect.c`): that it holds no password, and whether it names a database.

use thiserror::Error;

/// Schemes of the other form.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
/// Secrets; a program's command line is for everybody to see.
const SECRETS: [&str; 4] = ["password", "sslpassword", "oauth_client_secret", "scram_client_key"];
/// Where a database may come from.
const DATABASES: [&str; 2] = ["dbname", "service"];

/// The text is never part of what is said: it may hold the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectionStringError {
    #[error("the connection string is not as libpq takes it, such as 'host=/var/run/postgresql user=postgres'")]
    Malformed,
    #[error("the connection string holds a secret, which every user of this machine could see")]
    Secret,
}

/// A connection string without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionString {
    text: String,
    names_database: bool,
}

impl ConnectionString {
    pub fn new(text: &str) -> Result<ConnectionString, ConnectionStringError> {
        let names = match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => uri_names(rest)?,
            None => pair_names(text)?,
        };
        if names.iter().any(|name| SECRETS.contains(&name.as_str())) {
            return Err(ConnectionStringError::Secret);
        }
        let names_database = names.iter().any(|name| DATABASES.contains(&name.as_str()));
        Ok(ConnectionString { text: text.to_owned(), names_database })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// It, or the service that it names, may say which.
    pub fn names_database(&self) -> bool {
        self.names_database
    }
}

/// `host=/tmp user = 'me'`: what is said, without the values.
fn pair_names(text: &str) -> Result<Vec<String>, ConnectionStringError> {
    let (mut names, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(ConnectionStringError::Malformed)?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(ConnectionStringError::Malformed);
        }
        names.push(name.to_owned());
        rest = after_value(after.trim_start())?.trim_start();
    }
    if names.is_empty() { Err(ConnectionStringError::Malformed) } else { Ok(names) }
}

/// What follows a value; a backslash takes the next character as it is.
fn after_value(text: &str) -> Result<&str, ConnectionStringError> {
    let quoted = text.starts_with('\'');
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '\'' if quoted => return Ok(&text[at + 1..]),
            space if !quoted && space.is_whitespace() => return Ok(&text[at..]),
            _ => {}
        }
    }
    if quoted { Err(ConnectionStringError::Malformed) } else { Ok("") }
}

/// `user@host:port/database?name=value`
fn uri_names(rest: &str) -> Result<Vec<String>, ConnectionStringError> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let mut names = Vec::new();
    // A password may hold anything, a slash or a question mark that should have been encoded too.
    if let Some((user, _)) = rest.rsplit_once('@') {
        if user.contains(':') {
            return Err(ConnectionStringError::Secret);
        }
        if !authority.contains('@') || user.contains(['/', '?']) {
            return Err(ConnectionStringError::Malformed);
        }
        names.push("user".to_owned());
    }
    names.extend((!database.is_empty()).then(|| "dbname".to_owned()));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, _) = pair.split_once('=').ok_or(ConnectionStringError::Malformed)?;
        // libpq decodes names as well.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(ConnectionStringError::Malformed);
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::ConnectionStringError::{Malformed, Secret};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_found_wherever_libpq_would() {
        for text in [
            "password=x",
            "host=/tmp  password = 'a b'",
            r"user=a\ b password=x",
            r"application_name='it\'s' password=x",
            "postgresql://me:x@host/db",
            "postgres://me:a/b@host/db",
            "postgresql://host/db?password=x",
            "postgresql://host/db?sslmode=require&sslpassword=x",
        ] {
            assert_eq!(ConnectionString::new(text), Err(Secret), "{text}");
        }
    }

    #[test]
    fn what_libpq_would_complain_of_is_not_repeated() {
        for text in [
            "",
            "app",
            "host",
            "host=/tmp x",
            "=x",
            "host='a",
            "postgresql://host/db?p%61ssword=x",
            "postgresql://host/?x",
        ] {
            assert_eq!(ConnectionString::new(text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn the_database_may_be_said() {
        for (text, named) in [
            ("host=/tmp user=postgres", false),
            ("host=/tmp dbname=app", true),
            ("service=live", true),
            ("host='it\\'s dbname=x'", false),
            ("passfile=/etc/pass host=h", false),
            ("postgresql://me@host:5432,other:5433/app?sslmode=require", true),
            ("postgresql://", false),
            ("postgresql://host?dbname=app", true),
        ] {
            assert_eq!(ConnectionString::new(text).map(|string| string.names_database()), Ok(named), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_value_hides_nothing(value in "[^\0]{0,20}") {
            let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
            prop_assert_eq!(ConnectionString::new(&format!("user='{escaped}' password=x")), Err(Secret));
            let alone = format!("user='{escaped}'");
            prop_assert!(ConnectionString::new(&alone).is_ok());
        }
    }
}
