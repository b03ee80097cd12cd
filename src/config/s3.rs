//! The keys of a `[[repository]]` on an S3-compatible store.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::file::Table;
use super::keys::{self, CREDENTIALS};
use super::value::{self, Parsed, RepositoryUrl};
use crate::model::error::{Code, Result};
use crate::store::{self, Credentials, LockMode, ObjectLock, S3Settings, ServerSideEncryption};

const AES256: &str = "AES256";
const KMS: &str = "aws:kms";

/// Keys that mean something only beside an `s3://` URL.
const KEYS: [&str; 12] = [
    "endpoint",
    "region",
    "path_style",
    "storage_class",
    "sse",
    "kms_key_id",
    "object_lock",
    "object_lock_for",
    "ca_file",
    "proxy",
    "concurrency",
    CREDENTIALS,
];

/// The URL with what the other keys say; `kept` is the longest that anything is, where retention says it.
pub(super) fn url(table: &Table, kept: Option<Duration>) -> Result<RepositoryUrl> {
    let url: RepositoryUrl = table.required("url", str::parse)?;
    match url.place() {
        store::RepositoryUrl::File(_) => refuse_all(table).map(|()| url),
        store::RepositoryUrl::S3(said) => {
            let settings = settings(table, said, kept)?;
            Ok(url.with_settings(settings))
        }
    }
}

fn refuse_all(table: &Table) -> Result<()> {
    let Some((key, found)) = KEYS.iter().find_map(|key| Some((key, table.get(key)?))) else { return Ok(()) };
    Err(table.wrong_value(key, found.span(), "it belongs to a repository whose url begins with s3://".to_owned()))
}

fn settings(table: &Table, said: &S3Settings, kept: Option<Duration>) -> Result<S3Settings> {
    Ok(S3Settings {
        bucket: said.bucket.clone(),
        prefix: said.prefix.clone(),
        endpoint: once(table, "endpoint", said.endpoint.clone(), table.parsed("endpoint", store::endpoint)?)?,
        region: once(table, "region", said.region.clone(), table.parsed("region", store::region)?)?,
        path_style: once(table, "path_style", said.path_style, table.boolean("path_style")?)?,
        storage_class: table.parsed("storage_class", header_value)?,
        encryption: encryption(table)?,
        lock: lock(table, kept)?,
        ca_file: table.parsed("ca_file", value::absolute_path)?,
        proxy: table.parsed("proxy", proxy)?,
        concurrency: table.integer("concurrency", 1..=keys::MAX_CONCURRENCY)?.and_then(|n| usize::try_from(n).ok()),
        oldest_versions: said.oldest_versions,
        credentials: table.get(CREDENTIALS).map(|found| credentials(table, found)).transpose()?.unwrap_or_default(),
    })
}

/// In the URL or beside it, not both.
fn once<T>(table: &Table, key: &str, in_url: Option<T>, beside: Option<T>) -> Result<Option<T>> {
    match (in_url, beside, table.get(key)) {
        (Some(_), Some(_), Some(found)) => Err(table.wrong_value(key, found.span(), "the url says it too".to_owned())),
        (in_url, beside, _) => Ok(in_url.or(beside)),
    }
}

/// It becomes a header of every request.
fn header_value(text: &str) -> Parsed<String> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(format!("\"{text}\" is not a name")),
    }
}

fn proxy(text: &str) -> Parsed<String> {
    let wanted = "a proxy is http://host:port, without a name or password in it";
    match text.split_once("://") {
        Some(("http" | "https", host)) if !host.is_empty() && !host.contains(['@', ' ', '?']) => Ok(text.to_owned()),
        _ => Err(wanted.to_owned()),
    }
}

fn encryption(table: &Table) -> Result<Option<ServerSideEncryption>> {
    let kms = table.parsed("kms_key_id", header_value)?;
    let sse = table.parsed("sse", |text| match text {
        AES256 | KMS => Ok(text.to_owned()),
        _ => Err(format!("\"{text}\" is neither \"{AES256}\" nor \"{KMS}\"")),
    })?;
    match (sse.as_deref(), kms) {
        (None, None) => Ok(None),
        (Some(AES256), None) => Ok(Some(ServerSideEncryption::Aes256)),
        (Some(KMS), Some(key_id)) => Ok(Some(ServerSideEncryption::Kms { key_id })),
        (Some(KMS), None) => Err(table.error(Code::ConfigValue, table.at("sse"), "sse \"aws:kms\" needs kms_key_id")),
        _ => Err(table.error(Code::ConfigValue, table.at("kms_key_id"), "kms_key_id needs sse = \"aws:kms\"")),
    }
}

/// Without a period of its own the lock lasts as long as retention keeps a backup, or that of dumps a dump.
fn lock(table: &Table, kept: Option<Duration>) -> Result<Option<ObjectLock>> {
    let mode = |text: &str| {
        let known = [LockMode::Governance, LockMode::Compliance].into_iter().find(|mode| mode.word() == text);
        known.ok_or_else(|| format!("\"{text}\" is neither \"governance\" nor \"compliance\""))
    };
    match (table.parsed("object_lock", mode)?, table.parsed("object_lock_for", lock_period)?) {
        (None, None) => Ok(None),
        (Some(mode), Some(period)) => Ok(Some(ObjectLock { mode, period })),
        (Some(mode), None) => {
            let wanting = "object_lock needs object_lock_for where no [retention] says how long backups are kept";
            let wanting = || table.error(Code::ConfigValue, table.at("object_lock"), wanting);
            Ok(Some(ObjectLock { mode, period: usual_lock_period(kept.ok_or_else(wanting)?) }))
        }
        (None, Some(_)) => {
            Err(table.error(Code::ConfigValue, table.at("object_lock_for"), "object_lock_for needs object_lock"))
        }
    }
}

/// What was locked for too long can be deleted by nobody: a mistyped period must not cost a century of storage.
fn lock_period(text: &str) -> Parsed<Duration> {
    let period = value::duration(text)?;
    match LOCK_PERIODS.contains(&period) {
        true => Ok(period),
        false => Err(format!("\"{text}\" is not between 1d and 3650d")),
    }
}

/// As long as anything is kept, and no longer than could be configured.
pub fn usual_lock_period(kept: Duration) -> Duration {
    kept.min(*LOCK_PERIODS.end())
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LOCK_PERIODS: RangeInclusive<Duration> = DAY..=DAY.saturating_mul(3650);

/// A table with the one place where the access key is.
fn credentials(table: &Table, found: &Spanned<DeValue>) -> Result<Credentials> {
    let wrong = |reason: &str| table.wrong_value(CREDENTIALS, found.span(), reason.to_owned());
    let entries = found.get_ref().as_table().ok_or_else(|| wrong("it is a table such as { file = \"/path\" }"))?;
    let mut places = Vec::new();
    let mut profile = None;
    for (key, value) in entries.iter() {
        let text = || value.get_ref().as_str().filter(|text| !text.is_empty()).ok_or_else(|| wrong("a name is empty"));
        let chosen = || match value.get_ref().as_bool() {
            Some(true) => Ok(()),
            _ => Err(wrong("environment, web_identity and instance are true or left out")),
        };
        match key.get_ref().as_ref() {
            "environment" => places.push(chosen().map(|()| Credentials::Environment)?),
            "web_identity" => places.push(chosen().map(|()| Credentials::WebIdentity)?),
            "instance" => places.push(chosen().map(|()| Credentials::Instance)?),
            "file" => places.push(Credentials::File { path: file(text()?).map_err(|e| wrong(&e))?, profile: None }),
            "credential" => {
                places.push(Credentials::Credential(value::credential_name(text()?).map_err(|e| wrong(&e))?));
            }
            "command" => places.push(Credentials::Command(words(value).ok_or_else(|| wrong(COMMAND))?)),
            "profile" => profile = Some(text()?.to_owned()),
            // What it says may be a key.
            _ => return Err(wrong(keys::CREDENTIAL_PLACES)),
        }
    }
    match (<[Credentials; 1]>::try_from(places), profile) {
        (Ok([Credentials::File { path, .. }]), profile) => Ok(Credentials::File { path, profile }),
        (Ok([place]), None) => Ok(place),
        (Ok(_), Some(_)) => Err(wrong("profile belongs to file")),
        (Err(_), _) => Err(wrong(keys::CREDENTIAL_PLACES)),
    }
}

const COMMAND: &str = "command is a list of words, [\"/usr/local/bin/key\", \"backup\"]";

fn file(text: &str) -> Parsed<PathBuf> {
    value::absolute_path(text)
}

fn words(value: &Spanned<DeValue>) -> Option<Vec<String>> {
    let words = value.get_ref().as_array()?.iter().map(|word| word.get_ref().as_str().map(str::to_owned));
    words.collect::<Option<Vec<String>>>().filter(|words| !words.is_empty())
}
