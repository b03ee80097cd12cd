//! Where a repository lies: `file:///absolute/path`.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::error::Error;

/// A checked repository URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RepositoryUrl {
    /// A directory of this machine, absolute, without `.` and `..`.
    File(PathBuf),
}

impl FromStr for RepositoryUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<RepositoryUrl, Error> {
        parse(text).map(RepositoryUrl::File).map_err(|reason| Error::Url { url: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<PathBuf, String> {
    if text.starts_with("s3://") {
        return Err("object storage is not in this release, use file:///absolute/path".into());
    }
    if text.starts_with('/') {
        return Err(format!("a path needs its scheme, file://{text}"));
    }
    let path = text.strip_prefix("file://").ok_or("it must begin with file://")?;
    if let Some(special) = path.chars().find(|c| matches!(c, '?' | '#' | '%') || c.is_control()) {
        return Err(format!("{special:?} is not allowed in a file:// URL"));
    }
    if !path.starts_with('/') {
        return Err("the path must be absolute, file:///absolute/path".into());
    }
    let path: PathBuf = Path::new(path).components().collect();
    if path.components().any(|part| part == Component::ParentDir) {
        return Err("the path must not contain \"..\"".into());
    }
    if path.parent().is_none() {
        return Err("the root directory cannot be a repository".into());
    }
    Ok(path)
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepositoryUrl::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_file_urls_are_read() {
        for (text, clean) in [
            ("file:///var/backups/pgcairn", "file:///var/backups/pgcairn"),
            ("file:///var//backups/./pg cairn/", "file:///var/backups/pg cairn"),
        ] {
            assert_eq!(text.parse::<RepositoryUrl>().unwrap().to_string(), clean);
        }
    }

    #[test]
    fn others_are_refused_with_a_reason() {
        for (text, reason) in [
            ("s3://bucket/prefix", "not in this release"),
            ("/var/backups", "file:///var/backups"),
            ("var/backups", "must begin with file://"),
            ("file://var/backups", "must be absolute"),
            ("file:///var/../etc", ".."),
            ("file:///", "root directory"),
            ("file:///a?region=x", "'?'"),
            ("file:///a%20b", "'%'"),
            ("", "must begin with file://"),
        ] {
            let error = text.parse::<RepositoryUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
