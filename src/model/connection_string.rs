//! A connection string as libpq takes it (`conninfo_parse` and `conninfo_uri_parse_options` in `fe-connect.c`): words and
//! their values, in either form.

pub mod words;

use std::fmt;

use thiserror::Error;

use self::words::{KEPT_TO, NOT_KEPT_TO, SECRETS};
use super::nearest::nearest;

/// Schemes of the other form.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
/// Where a database may come from.
const DATABASES: [&str; 2] = ["dbname", "service"];

/// A value is never part of what is said: it may be the password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectionStringError {
    #[error("the connection string is not as libpq takes it, such as 'host=/var/run/postgresql user=postgres'")]
    Malformed,
    #[error("the connection string holds a secret, which every user of this machine could see")]
    Secret,
    #[error("the connection string says {}", .0)]
    Word(WrongWord),
}

/// A word that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrongWord {
    Unknown(String),
    /// After a password, so it may be a part of one.
    UnknownAfterPassword,
    NotKeptTo(&'static str),
}

impl fmt::Display for WrongWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrongWord::Unknown(word) => match nearest(word, KEPT_TO) {
                Some(near) => write!(f, "{word}, which libpq does not know; the nearest known word is {near}"),
                None => write!(f, "{word}, which libpq does not know"),
            },
            WrongWord::UnknownAfterPassword => {
                f.write_str("after the password what libpq does not know; a value with spaces stands in single quotes")
            }
            WrongWord::NotKeptTo(word) => write!(f, "{word}, which pgcairn's own sessions cannot keep to"),
        }
    }
}

/// A connection string that holds no secret unless it came by [`ConnectionString::parse`].
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    text: String,
    words: Vec<(String, String)>,
}

impl ConnectionString {
    /// From a command line, where no secret may stand.
    pub fn new(text: &str) -> Result<ConnectionString, ConnectionStringError> {
        let parsed = ConnectionString::split(text)?;
        if parsed.has_secret() {
            return Err(ConnectionStringError::Secret);
        }
        parsed.refuse_words()
    }

    /// From where only its owner reads it.
    pub fn parse(text: &str) -> Result<ConnectionString, ConnectionStringError> {
        ConnectionString::split(text)?.refuse_words()
    }

    fn split(text: &str) -> Result<ConnectionString, ConnectionStringError> {
        let words = match SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => uri(rest)?,
            None => pairs(text)?,
        };
        Ok(ConnectionString { text: text.to_owned(), words })
    }

    fn refuse_words(self) -> Result<ConnectionString, ConnectionStringError> {
        let mut after_password = false;
        for (word, _) in &self.words {
            check_word(word, after_password).map_err(ConnectionStringError::Word)?;
            after_password |= SECRETS.contains(&word.as_str());
        }
        Ok(self)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The last value of a word counts.
    pub fn words(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words.iter().map(|(word, value)| (word.as_str(), value.as_str()))
    }

    pub fn has_secret(&self) -> bool {
        self.words.iter().any(|(word, _)| SECRETS.contains(&word.as_str()))
    }

    /// It, or the service that it names, may say which.
    pub fn names_database(&self) -> bool {
        self.words.iter().any(|(word, _)| DATABASES.contains(&word.as_str()))
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.has_secret() { "(holds a secret)" } else { &self.text };
        write!(f, "ConnectionString({text})")
    }
}

pub fn check_word(word: &str, after_password: bool) -> Result<(), WrongWord> {
    if KEPT_TO.contains(&word) {
        return Ok(());
    }
    Err(match NOT_KEPT_TO.iter().find(|known| **known == word) {
        Some(known) => WrongWord::NotKeptTo(known),
        None if after_password => WrongWord::UnknownAfterPassword,
        None => WrongWord::Unknown(word.to_owned()),
    })
}

/// `host=/tmp user = 'me'`
fn pairs(text: &str) -> Result<Vec<(String, String)>, ConnectionStringError> {
    let (mut pairs, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let (word, after) = rest.split_once('=').ok_or(ConnectionStringError::Malformed)?;
        let word = word.trim_end();
        if word.is_empty() || word.contains(char::is_whitespace) {
            return Err(ConnectionStringError::Malformed);
        }
        let (value, after) = value(after.trim_start())?;
        pairs.push((word.to_owned(), value));
        rest = after.trim_start();
    }
    if pairs.is_empty() { Err(ConnectionStringError::Malformed) } else { Ok(pairs) }
}

/// A value, and what follows it; a backslash takes the next character as it is.
fn value(text: &str) -> Result<(String, &str), ConnectionStringError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            space if !quoted && space.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted { Err(ConnectionStringError::Malformed) } else { Ok((value, "")) }
}

/// `user:password@host:port,host:port/database?word=value`
fn uri(rest: &str) -> Result<Vec<(String, String)>, ConnectionStringError> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let mut words = Vec::new();
    // A password may hold anything, a slash or a question mark that should have been encoded too.
    let hosts = match rest.rsplit_once('@') {
        None => authority,
        Some((user, _)) if !authority.contains('@') || user.contains(['/', '?']) => {
            let held =
                if user.contains(':') { ConnectionStringError::Secret } else { ConnectionStringError::Malformed };
            return Err(held);
        }
        Some(_) => {
            let (user, hosts) = authority.rsplit_once('@').unwrap_or_default();
            let (user, password) = user.split_once(':').map_or((user, None), |(user, word)| (user, Some(word)));
            push(&mut words, "user", user)?;
            push(&mut words, "password", password.unwrap_or_default())?;
            hosts
        }
    };
    let places = hosts.split(',').map(host_and_port).collect::<Result<Vec<_>, _>>()?;
    let (names, ports): (Vec<&str>, Vec<&str>) = places.into_iter().unzip();
    if names.iter().any(|name| !name.is_empty()) {
        push(&mut words, "host", &names.join(","))?;
    }
    if ports.iter().any(|port| !port.is_empty()) {
        push(&mut words, "port", &ports.join(","))?;
    }
    push(&mut words, "dbname", database)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (word, value) = pair.split_once('=').ok_or(ConnectionStringError::Malformed)?;
        // libpq decodes words as well.
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(ConnectionStringError::Malformed);
        }
        match (word, value) {
            // As JDBC says it.
            ("ssl", "true") => words.push(("sslmode".to_owned(), "require".to_owned())),
            _ => words.push((word.to_owned(), decoded(value)?)),
        }
    }
    Ok(words)
}

fn push(words: &mut Vec<(String, String)>, word: &str, value: &str) -> Result<(), ConnectionStringError> {
    if !value.is_empty() {
        words.push((word.to_owned(), decoded(value)?));
    }
    Ok(())
}

/// `name`, `name:port`, `[::1]:port`
fn host_and_port(place: &str) -> Result<(&str, &str), ConnectionStringError> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(ConnectionStringError::Malformed)?;
        return match (after.is_empty(), after.strip_prefix(':')) {
            (true, _) => Ok((address, "")),
            (false, Some(port)) => Ok((address, port)),
            (false, None) => Err(ConnectionStringError::Malformed),
        };
    }
    Ok(place.split_once(':').unwrap_or((place, "")))
}

/// `%2F`
fn decoded(text: &str) -> Result<String, ConnectionStringError> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(ConnectionStringError::Malformed)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = digit(digits[0]).zip(digit(digits[1])).map(|(high, low)| high << 4 | low).filter(|byte| *byte != 0);
        bytes.push(byte.ok_or(ConnectionStringError::Malformed)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| ConnectionStringError::Malformed)
}

#[cfg(test)]
#[path = "connection_string_tests.rs"]
mod tests;
