//! How a person names a backup: a prefix of its id, `latest`, `latest~1`.

use std::fmt;
use std::str::FromStr;

use super::key::BackupId;

/// Not yet a backup; what it means depends on which backups there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The newest, or that many before it.
    Latest(usize),
    /// The beginning of exactly one id.
    Prefix(String),
}

const LATEST: &str = "latest";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    #[error("\"{0}\" is no backup id, beginning of one, \"latest\" or \"latest~1\"")]
    Invalid(String),
    #[error("there is no backup {wanted}: {}", count(*.there_are))]
    NotFound { wanted: Selector, there_are: usize },
    #[error("\"{prefix}\" fits {} backups, {first} and {last} among them", .matches)]
    Ambiguous { prefix: String, matches: usize, first: BackupId, last: BackupId },
}

fn count(backups: usize) -> String {
    match backups {
        0 => "the repository holds none of this cluster".to_owned(),
        1 => "there is one backup".to_owned(),
        n => format!("there are {n} backups"),
    }
}

impl Selector {
    /// The one backup meant. `oldest_first` holds all complete backups, ordered by timeline and stop LSN.
    pub fn resolve<'a>(&self, oldest_first: &[&'a BackupId]) -> Result<&'a BackupId, SelectorError> {
        let not_found = || SelectorError::NotFound { wanted: self.clone(), there_are: oldest_first.len() };
        match self {
            Selector::Latest(back) => oldest_first.iter().rev().nth(*back).copied().ok_or_else(not_found),
            Selector::Prefix(prefix) => {
                let matches: Vec<_> = oldest_first.iter().filter(|id| id.as_str().starts_with(prefix)).collect();
                match matches[..] {
                    [] => Err(not_found()),
                    [id] => Ok(id),
                    [first, .., last] => Err(SelectorError::Ambiguous {
                        prefix: prefix.clone(),
                        matches: matches.len(),
                        first: (*first).clone(),
                        last: (*last).clone(),
                    }),
                }
            }
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Selector, SelectorError> {
        let invalid = || SelectorError::Invalid(text.to_owned());
        if let Some(rest) = text.strip_prefix(LATEST) {
            let back = if rest.is_empty() { Some("0") } else { rest.strip_prefix('~') };
            let digits = back.filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
            return digits.and_then(|d| d.parse().ok()).map(Selector::Latest).ok_or_else(invalid);
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let begins_with_digit = text.bytes().next().is_some_and(|b| b.is_ascii_digit());
        if begins_with_digit && text.bytes().all(plain) {
            Ok(Selector::Prefix(text.to_owned()))
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Latest(0) => f.write_str(LATEST),
            Selector::Latest(back) => write!(f, "{LATEST}~{back}"),
            Selector::Prefix(prefix) => f.write_str(prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(text: &str) -> Result<String, String> {
        let ids: Vec<BackupId> =
            ["20261120T030000Z-full-7k3f", "20261120T040000Z-full-aaaa", "20261121T030000Z-full-bbbb"]
                .map(|id| id.parse().unwrap())
                .to_vec();
        let all: Vec<&BackupId> = ids.iter().collect();
        let selector: Selector = text.parse().map_err(|e: SelectorError| e.to_string())?;
        selector.resolve(&all).map(ToString::to_string).map_err(|e| e.to_string())
    }

    #[test]
    fn unique_prefixes_and_latest() {
        assert_eq!(select("latest").unwrap(), "20261121T030000Z-full-bbbb");
        assert_eq!(select("latest~2").unwrap(), "20261120T030000Z-full-7k3f");
        assert_eq!(select("20261120T04").unwrap(), "20261120T040000Z-full-aaaa");
        assert_eq!(select("20261121T030000Z-full-bbbb").unwrap(), "20261121T030000Z-full-bbbb");
    }

    #[test]
    fn what_fits_none_or_several_is_refused_with_both_values() {
        assert_eq!(select("latest~3").unwrap_err(), "there is no backup latest~3: there are 3 backups");
        assert_eq!(select("2027").unwrap_err(), "there is no backup 2027: there are 3 backups");
        assert_eq!(
            select("2026").unwrap_err(),
            "\"2026\" fits 3 backups, 20261120T030000Z-full-7k3f and 20261121T030000Z-full-bbbb among them"
        );
        for text in ["", "latest~", "latest~x", "latest-1", "latest~+1", "newest", "2026/", "2026*"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
