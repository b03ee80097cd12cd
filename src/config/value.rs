//! Values of the configuration, parsed into types. Each parser says what it wanted instead.

use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SpanRelativeTo, Unit};

use crate::codec::{Recipient, parse_recipient};
use crate::model::connection_string::{self, ConnectionStringError};
use crate::model::signature::{InvalidPublicKey, PublicKey};
use crate::store::{self, S3Settings};

/// A value, or what was wanted instead.
pub type Parsed<T> = Result<T, String>;

/// A public key; the codec knows which kinds there are.
pub(super) fn recipient(text: &str) -> Parsed<Recipient> {
    parse_recipient(text).map_err(|error| error.to_string())
}

/// The key that a host signs with, the public half. Not quoted: it might be the other one.
pub fn public_key(text: &str) -> Parsed<PublicKey> {
    text.parse().map_err(|error: InvalidPublicKey| error.to_string())
}

pub(super) fn not_empty(text: &str) -> Parsed<String> {
    if text.is_empty() { Err("the text is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Where a repository lies, as it was written and as the store understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUrl {
    text: String,
    place: store::RepositoryUrl,
}

impl RepositoryUrl {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The directory of a repository on this machine.
    pub fn local_path(&self) -> Option<&std::path::Path> {
        self.place.local_path()
    }

    /// The same place, reached with these settings.
    pub(super) fn with_settings(self, settings: store::S3Settings) -> RepositoryUrl {
        RepositoryUrl { place: store::RepositoryUrl::S3(Box::new(settings)), ..self }
    }

    /// With what `configured` says of the same bucket and this does not.
    pub(super) fn or(self, configured: &RepositoryUrl) -> RepositoryUrl {
        match (&self.place, &configured.place) {
            (store::RepositoryUrl::S3(settings), store::RepositoryUrl::S3(other)) => {
                let settings = S3Settings::clone(settings).or(other);
                self.with_settings(settings)
            }
            _ => self,
        }
    }

    /// `None` for a place that keeps no versions.
    pub(super) fn in_oldest_versions(&self) -> Option<RepositoryUrl> {
        let store::RepositoryUrl::S3(settings) = &self.place else { return None };
        Some(self.clone().with_settings(S3Settings { oldest_versions: true, ..S3Settings::clone(settings) }))
    }

    pub fn place(&self) -> &store::RepositoryUrl {
        &self.place
    }
}

impl FromStr for RepositoryUrl {
    type Err = String;

    fn from_str(text: &str) -> Parsed<RepositoryUrl> {
        let place = text.parse().map_err(|error: store::Error| error.to_string())?;
        Ok(RepositoryUrl { text: text.to_owned(), place })
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where the server is, as libpq takes it. It may hold a password, so it has no plain Debug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionString(connection_string::ConnectionString);

impl ConnectionString {
    pub fn as_str(&self) -> &str {
        self.0.text()
    }

    /// The string, unless it holds a password.
    pub fn shown(&self) -> &str {
        if self.0.has_secret() { "(holds a password, not shown)" } else { self.0.text() }
    }

    /// Where the server's sockets are looked for.
    pub fn socket_directories(&self) -> Vec<PathBuf> {
        let hosts = self.0.words().filter(|(word, _)| *word == "host").flat_map(|(_, hosts)| hosts.split(','));
        hosts.filter(|host| host.starts_with('/')).map(PathBuf::from).collect()
    }
}

impl FromStr for ConnectionString {
    type Err = String;

    fn from_str(text: &str) -> Parsed<ConnectionString> {
        connection_string::ConnectionString::parse(text).map(ConnectionString).map_err(|error| match error {
            ConnectionStringError::Word(wrong) => format!("it says {wrong}"),
            _ => "not a connection string such as \"host=/var/run/postgresql user=postgres\"".to_owned(),
        })
    }
}

pub(super) fn absolute_path(text: &str) -> Parsed<PathBuf> {
    let path = PathBuf::from(text);
    let usable = path.is_absolute() && !text.contains('\0');
    if usable { Ok(path) } else { Err(format!("\"{text}\" is not an absolute path")) }
}

/// Of a systemd credential: a file of that name lies where the unit finds its credentials.
pub(super) fn credential_name(text: &str) -> Parsed<String> {
    match text.contains('/') || text.starts_with('.') {
        true => Err("credential is the name of a systemd credential, not a path".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// `5min`, `1h 30m`, `7d`; a day is 24 hours.
pub fn duration(text: &str) -> Parsed<Duration> {
    let wanted = || format!("\"{text}\" is not a time span such as 30s, 5min, 2h or 7d");
    let span: jiff::Span = text.parse().map_err(|_| wanted())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(wanted());
    }
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).map_err(|_| wanted())?;
    if seconds > 0.0 { Duration::try_from_secs_f64(seconds).map_err(|_| wanted()) } else { Err(wanted()) }
}

/// Units whose meaning is not disputed: PostgreSQL's `MB` is 2^20, everybody else's 10^6.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// Bytes per second: `200MiB`, `200MiB/s`.
pub fn rate(text: &str) -> Parsed<u64> {
    let size = text.strip_suffix("/s").unwrap_or(text).trim();
    in_units(size).ok_or_else(|| format!("\"{text}\" is not a rate such as 200MiB (units: KiB, MiB, GiB, TiB)"))
}

/// Bytes: `1GiB`.
pub fn size(text: &str) -> Parsed<u64> {
    in_units(text).ok_or_else(|| format!("\"{text}\" is not a size such as 1GiB (units: KiB, MiB, GiB, TiB)"))
}

fn in_units(size: &str) -> Option<u64> {
    let with_unit = |(unit, shift): &(&str, u32)| size.strip_suffix(unit).map(|digits| (digits.trim_end(), *shift));
    let (digits, shift) = UNITS.iter().find_map(with_unit)?;
    let number: u64 = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

pub fn jobs(number: i64) -> Option<NonZeroU16> {
    u16::try_from(number).ok().and_then(NonZeroU16::new).filter(|n| i64::from(n.get()) <= super::keys::MAX_JOBS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("30s", 30), ("5min", 300), ("1h 30m", 5400), ("7d", 604_800), ("2 weeks", 1_209_600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "5", "0s", "-5min", "5min ago", "1mo", "1y", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("200MiB"), Ok(200 << 20));
        assert_eq!(rate("1 GiB/s"), Ok(1 << 30));
        for text in ["", "200", "200MB", "0KiB", "-1MiB", "1.5GiB", "+1MiB", "99999999TiB", "MiB"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert!(["1GiB/s", "1", "0MiB"].iter().all(|text| size(text).is_err()));
    }

    #[test]
    fn a_password_in_the_connection_is_not_shown() {
        let connection: ConnectionString = "host=/run user=a password=hush".parse().unwrap();
        assert!(!format!("{connection:?}").contains("hush"));
        assert!(!connection.shown().contains("hush"));
        for text in ["host=/run password=hush nonsense", "host=/run password=my hush=x"] {
            let wrong = text.parse::<ConnectionString>().unwrap_err();
            assert!(!wrong.contains("hush"), "{wrong}");
        }
    }
}
