//! Where a repository lies: `file:///absolute/path` or `s3://bucket/prefix?endpoint=…&region=…&path_style=…`.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::error::Error;
use super::s3::S3Settings;
use crate::model::key::Key;

/// A checked repository URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RepositoryUrl {
    /// A directory of this machine, absolute, without `.` and `..`.
    File(PathBuf),
    /// A bucket of a store that speaks S3, with what the configuration says beside the URL.
    S3(Box<S3Settings>),
}

const S3: &str = "s3://";

/// Longest prefix: a key of ours after it must stay below the 1024 bytes that S3 allows.
const MAX_PREFIX: usize = 512;
/// Amazon's limits for the name of a bucket.
const BUCKET_NAME: std::ops::RangeInclusive<usize> = 3..=63;

impl FromStr for RepositoryUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<RepositoryUrl, Error> {
        let parsed = match text.strip_prefix(S3) {
            Some(rest) => parse_s3(rest).map(|settings| RepositoryUrl::S3(Box::new(settings))),
            None => parse_file(text).map(RepositoryUrl::File),
        };
        parsed.map_err(|reason| Error::Url { url: shown(text), reason })
    }
}

/// Somebody may have put a key into it after all.
fn shown(text: &str) -> String {
    match text.strip_prefix(S3).map(|rest| rest.split_once('?').map_or(rest, |(place, _)| place)) {
        Some(place) if place.contains('@') => format!("{S3}…"),
        Some(place) if text.contains('?') => format!("{S3}{place}?…"),
        _ => text.to_owned(),
    }
}

fn parse_file(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') {
        return Err(format!("a path needs its scheme, file://{text}"));
    }
    let path = text.strip_prefix("file://").ok_or("it must begin with file:// or s3://")?;
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

fn parse_s3(rest: &str) -> Result<S3Settings, String> {
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if place.contains('@') {
        return Err("keys do not belong into a URL, they are referred to by credentials = …".into());
    }
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !BUCKET_NAME.contains(&bucket.len()) || !bucket.bytes().all(plain) {
        return Err("a bucket has 3 to 63 of a-z, 0-9, '.', '_' and '-', s3://bucket/prefix".into());
    }
    if !prefix.is_empty() && (prefix.len() > MAX_PREFIX || Key::new(prefix).is_err()) {
        return Err(format!("the prefix has parts of A-Z, a-z, 0-9, '.', '_' and '-', at most {MAX_PREFIX} bytes"));
    }
    let mut settings = S3Settings { bucket: bucket.to_owned(), prefix: prefix.to_owned(), ..S3Settings::default() };
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        set(&mut settings, parameter)?;
    }
    Ok(settings)
}

fn set(settings: &mut S3Settings, parameter: &str) -> Result<(), String> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let said = match name {
        "endpoint" => settings.endpoint.replace(endpoint(value)?).is_some(),
        "region" => settings.region.replace(region(value)?).is_some(),
        "path_style" => {
            let value = value.parse().map_err(|_| "path_style is true or false".to_owned())?;
            settings.path_style.replace(value).is_some()
        }
        _ => return Err("its parameters are endpoint, region and path_style".into()),
    };
    if said { Err(format!("{name} is there twice")) } else { Ok(()) }
}

/// `https://host:port`, and nothing behind it.
pub fn endpoint(text: &str) -> Result<String, String> {
    let wanted = || "an endpoint is https://host or https://host:port".to_owned();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(wanted)?;
    let host = host.strip_suffix('/').unwrap_or(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(wanted());
    }
    Ok(text.strip_suffix('/').unwrap_or(text).to_owned())
}

pub fn region(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match !text.is_empty() && text.len() <= MAX_REGION && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("a region is a name such as eu-central-1".into()),
    }
}

const MAX_REGION: usize = 64;

impl RepositoryUrl {
    pub fn local_path(&self) -> Option<&Path> {
        match self {
            RepositoryUrl::File(path) => Some(path),
            RepositoryUrl::S3(_) => None,
        }
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = match self {
            RepositoryUrl::File(path) => return write!(f, "file://{}", path.display()),
            RepositoryUrl::S3(settings) => settings,
        };
        let parameters = [
            settings.endpoint.as_ref().map(|endpoint| format!("endpoint={endpoint}")),
            settings.region.as_ref().map(|region| format!("region={region}")),
            settings.path_style.map(|path_style| format!("path_style={path_style}")),
        ];
        let parameters: Vec<String> = parameters.into_iter().flatten().collect();
        write!(f, "{}{}{}", settings.url(), if parameters.is_empty() { "" } else { "?" }, parameters.join("&"))
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
    fn s3_urls_are_read() {
        let full = "s3://acme-backups/pg/main?endpoint=https://s3.acme.example:9000&region=eu-1&path_style=true";
        for (text, clean) in [
            ("s3://acme-backups", "s3://acme-backups"),
            ("s3://acme-backups/", "s3://acme-backups"),
            ("s3://acme-backups/pg/main/?", "s3://acme-backups/pg/main"),
            ("s3://b.c?path_style=false", "s3://b.c?path_style=false"),
            ("s3://acme?endpoint=http://[::1]:9000/", "s3://acme?endpoint=http://[::1]:9000"),
            (full, full),
        ] {
            assert_eq!(text.parse::<RepositoryUrl>().unwrap().to_string(), clean);
        }
    }

    #[test]
    fn others_are_refused_with_a_reason() {
        for (text, reason) in [
            ("/var/backups", "file:///var/backups"),
            ("var/backups", "must begin with file://"),
            ("file://var/backups", "must be absolute"),
            ("file:///var/../etc", ".."),
            ("file:///", "root directory"),
            ("file:///a?region=x", "'?'"),
            ("file:///a%20b", "'%'"),
            ("", "must begin with file://"),
            ("S3://bucket", "must begin with file:// or s3://"),
            ("s3://", "a bucket has"),
            ("s3://b/p", "a bucket has"),
            ("s3://bucket:9000/p", "a bucket has"),
            ("s3://bucket/a//b", "the prefix has parts"),
            ("s3://bucket/a/../b", "the prefix has parts"),
            ("s3://bucket/a%20b", "the prefix has parts"),
            ("s3://bucket?endpoint=minio:9000", "an endpoint is https://host"),
            ("s3://bucket?endpoint=https://user:secret@host", "an endpoint is https://host"),
            ("s3://bucket?endpoint=https://host/path", "an endpoint is https://host"),
            ("s3://bucket?region=", "a region is a name"),
            ("s3://bucket?region=a&region=b", "region is there twice"),
            ("s3://bucket?path_style=yes", "path_style is true or false"),
            ("s3://bucket?access_key=hush", "its parameters are"),
        ] {
            let error = text.parse::<RepositoryUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn what_should_not_stand_in_a_url_is_not_repeated() {
        for text in ["s3://key:hush@bucket/p", "s3://bucket?secret=hush", "s3://bucket/p?endpoint=https://a:hush@b"] {
            let error = text.parse::<RepositoryUrl>().unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
