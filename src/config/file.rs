//! The TOML file into a [`Config`]; every refusal names line and column.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::repository::Usual;
use super::signing::EXTENSION;
use super::{
    Arguments, Backup, Config, ConnectionString, DEFAULT_COMPRESSION, DEFAULT_CONNECTION, Objectives, Postgres,
    Signing, value,
};
use super::{drill, dump, keys, locate, notify, repository, schedule, status};
use crate::codec::{MAX_RECIPIENTS, Recipient};
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterName;
use crate::model::nearest::nearest;
use crate::model::plan::retention::Policy;

/// What a secret key begins with or is framed by, in small letters, why it must not be here, and what to do.
const SECRETS: [(&str, &str, &str); 2] = [
    (
        "age-secret-key-",
        "a secret age key stands in the configuration: this host could read its own backups",
        "remove it, treat it as disclosed, make another one elsewhere with: pgcairn key generate --output FILE",
    ),
    (
        "private key-----",
        "a private key stands in the configuration, which others may read",
        "remove it, treat it as disclosed, and put the public half in its place, as printed by: pgcairn init",
    ),
];

pub(super) fn parse(path: &Path, text: &str) -> Result<Config> {
    let source = Source { path, text };
    source.refuse_secrets()?;
    let document = DeTable::parse(text).map_err(|error| source.syntax_error(&error))?;
    let top = Table { source: &source, section: "", at: document.span(), entries: document.get_ref() };
    top.refuse_unknown()?;
    let name = Some(cluster_name(&top)?);
    let (postgres, remote) = top.table("postgres")?.map(|table| postgres(&table)).transpose()?.unwrap_or_default();
    let recipients = top.table("encryption")?.map(|table| recipients(&table)).transpose()?.unwrap_or_default();
    let retention = top.table("retention")?.map(|table| retention(&table)).transpose()?;
    let dump = top.table("dump")?.map(|table| dump::dump(&table)).transpose()?;
    let dumps = dump.as_ref().and_then(|dump| dump.retention.as_ref());
    let (repository, others) = repository::all(&top, Usual { retention: retention.as_ref(), dumps })?;
    let objectives = top.table("objectives")?.map(|table| objectives(&table)).transpose()?.unwrap_or_default();
    Ok(Config {
        file: Some(path.to_owned()),
        name,
        postgres,
        remote,
        recipients,
        repository,
        others,
        beside: Vec::new(),
        signing: Signing {
            beside: std::path::absolute(path).ok().map(|file| file.with_extension(EXTENSION)),
            ..top.table("signing")?.map(|table| signing(&table)).transpose()?.unwrap_or_default()
        },
        thresholds: status::thresholds(top.table("status")?.as_ref(), &objectives)?,
        objectives,
        backup: top.table("backup")?.map(|table| backup(&table)).transpose()?.unwrap_or_default(),
        retention,
        notify: top.table("notify")?.map(|table| notify::settings(&table)).transpose()?.unwrap_or_default(),
        metrics: top
            .table("metrics")?
            .map(|table| table.parsed("textfile", value::absolute_path))
            .transpose()?
            .flatten(),
        dump,
        state_dir: top.parsed("state_dir", value::absolute_path)?,
        drill: top.table("drill")?.map(|table| drill::drill(&table)).transpose()?.unwrap_or_default(),
        schedule: top.table("schedule")?.map(|table| schedule::schedule(&table)).transpose()?.unwrap_or_default(),
        arguments: Arguments::default(),
    })
}

fn cluster_name(top: &Table) -> Result<ClusterName> {
    let parse = |text: &str| ClusterName::new(text).map_err(|error| error.to_string());
    if let Some(name) = top.parsed("name", parse)? {
        return Ok(name);
    }
    let stem = top.source.path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&stem)
        .map_err(|error| top.error(Code::ConfigValue, 0..0, error).hint("set name = \"main\" at the top of the file"))
}

/// A server whose files are here, or one that is only reached.
fn postgres(table: &Table) -> Result<(Option<Postgres>, Option<ConnectionString>)> {
    let connection = table.parsed("connection", FromStr::from_str)?;
    if connection.is_some() && table.get("data_dir").is_none() {
        return Ok((None, connection));
    }
    let data_dir = table.required("data_dir", value::absolute_path)?;
    let usual = || DEFAULT_CONNECTION.parse().map_err(|error: String| Error::new(Code::Internal, error));
    let connection = connection.map_or_else(usual, Ok)?;
    Ok((Some(Postgres { data_dir, connection }), None))
}

fn recipients(table: &Table) -> Result<Vec<Recipient>> {
    let recipients = table.list("recipients", value::recipient)?;
    if recipients.len() <= MAX_RECIPIENTS {
        return Ok(recipients);
    }
    let message = format!("{} recipients are more than the {MAX_RECIPIENTS} that fit", recipients.len());
    Err(table.error(Code::ConfigValue, table.at.clone(), message))
}

fn signing(table: &Table) -> Result<Signing> {
    Ok(Signing {
        key: table.get("key").map(|found| key_file(table, found)).transpose()?,
        trusted: table.list("trusted", value::public_key)?,
        beside: None,
    })
}

/// `{ file = "/path" }`: the key itself stands in no configuration.
fn key_file(table: &Table, found: &Spanned<DeValue>) -> Result<PathBuf> {
    let wanted = || table.wrong_value("key", found.span(), "it is a table such as { file = \"/path\" }".to_owned());
    let entries = found.get_ref().as_table().filter(|entries| entries.len() == 1).ok_or_else(wanted)?;
    let file = entries.get("file").and_then(|file| file.get_ref().as_str()).ok_or_else(wanted)?;
    value::absolute_path(file).map_err(|wanted| table.wrong_value("key", found.span(), wanted))
}

fn objectives(table: &Table) -> Result<Objectives> {
    Ok(Objectives { rpo: table.parsed("rpo", value::duration)?, rto: table.parsed("rto", value::duration)? })
}

fn backup(table: &Table) -> Result<Backup> {
    Ok(Backup {
        jobs: table.integer("jobs", 1..=keys::MAX_JOBS)?.and_then(value::jobs),
        compression: compression(table, DEFAULT_COMPRESSION)?,
        max_rate: table.parsed("max_rate", value::rate)?,
        include: table.list("include", value::absolute_path)?,
    })
}

pub(super) fn compression(table: &Table, usual: i32) -> Result<i32> {
    let level = table.integer("compression", 1..=keys::MAX_COMPRESSION)?;
    Ok(level.and_then(|level| i32::try_from(level).ok()).unwrap_or(usual))
}

pub(super) fn retention(table: &Table) -> Result<Policy> {
    let usual = Policy::default();
    Ok(Policy {
        recovery_window: table.parsed("recovery_window", value::duration)?.unwrap_or(usual.recovery_window),
        daily: kept(table, "daily", usual.daily)?,
        weekly: kept(table, "weekly", usual.weekly)?,
        monthly: kept(table, "monthly", usual.monthly)?,
        yearly: kept(table, "yearly", usual.yearly)?,
        minimum: kept(table, "minimum", usual.minimum)?,
    })
}

/// How many of a kind are kept.
pub(super) fn kept(table: &Table, key: &str, usual: u32) -> Result<u32> {
    let least = i64::from(key == "minimum");
    let number = table.integer(key, least..=keys::MAX_KEPT)?;
    Ok(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(usual))
}

/// The file's text, and how places in it are named.
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, code: Code, at: Range<usize>, message: impl std::fmt::Display) -> Error {
        let before = self.text.get(..at.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let again = format!("correct the file, then pgcairn -c {} config check", locate::argument(self.path));
        Error::new(code, format!("{}:{line}:{column}: {message}", self.path.display())).hint(again)
    }

    /// Looked for in the bare text, comments included, before anything could quote it in a message.
    fn refuse_secrets(&self) -> Result<()> {
        let text = self.text.to_ascii_lowercase();
        let found = SECRETS.iter().find_map(|secret| Some((text.find(secret.0)?, secret)));
        let Some((start, (_, message, hint))) = found else { return Ok(()) };
        Err(self.error(Code::ConfigSecret, start..start, message).hint(*hint))
    }

    fn syntax_error(&self, error: &toml::de::Error) -> Error {
        self.error(Code::Config, error.span().unwrap_or(0..0), error.message())
    }
}

/// One table of the file.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    section: &'static str,
    at: Range<usize>,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn error(&self, code: Code, at: Range<usize>, message: impl std::fmt::Display) -> Error {
        self.source.error(code, at, message)
    }

    fn refuse_unknown(&self) -> Result<()> {
        let known = keys::names_in(self.section);
        let unknown = |key: &&Spanned<_>| -> bool {
            let key: &Spanned<std::borrow::Cow<str>> = key;
            !known.contains(&key.get_ref().as_ref())
        };
        let Some(key) = self.entries.keys().filter(unknown).min_by_key(|key| key.span().start) else { return Ok(()) };
        let place = if self.section.is_empty() { "at the top".to_owned() } else { format!("in [{}]", self.section) };
        let hint = match nearest(key.get_ref(), &known) {
            Some(nearest) => format!("the nearest known key is \"{nearest}\""),
            None => format!("known {place}: {}", known.join(", ")),
        };
        Err(self
            .error(Code::ConfigUnknownKey, key.span(), format!("unknown key \"{}\" {place}", key.get_ref()))
            .hint(hint))
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.get(key)
    }

    /// Where a key stands, else where its table does.
    pub(super) fn at(&self, key: &str) -> Range<usize> {
        self.get(key).map_or(self.at.clone(), Spanned::span)
    }

    fn wrong_type(&self, key: &str, found: &Spanned<DeValue>, wanted: &str) -> Error {
        let article = if found.get_ref().type_str().starts_with(['a', 'i']) { "an" } else { "a" };
        let message = format!("{key} is {article} {}, not {wanted}", found.get_ref().type_str());
        self.error(Code::ConfigValue, found.span(), message)
    }

    pub(super) fn wrong_value(&self, key: &str, at: Range<usize>, wanted: String) -> Error {
        self.error(Code::ConfigValue, at, format!("{key}: {wanted}"))
    }

    pub(super) fn table(&self, section: &'static str) -> Result<Option<Table<'a>>> {
        self.table_of(section, section)
    }

    /// The one under `key`, whose full name is `section`.
    pub(super) fn table_of(&self, key: &str, section: &'static str) -> Result<Option<Table<'a>>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let entries = found.get_ref().as_table().ok_or_else(|| self.wrong_type(key, found, "a table"))?;
        self.child(section, found.span(), entries).map(Some)
    }

    pub(super) fn tables(&self, section: &'static str) -> Result<Vec<Table<'a>>> {
        self.tables_of(section, section)
    }

    /// Those under `key`, whose full name is `section`.
    pub(super) fn tables_of(&self, key: &str, section: &'static str) -> Result<Vec<Table<'a>>> {
        let Some(found) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = || self.wrong_type(key, found, &format!("a list of tables, written [[{section}]]"));
        let child = |item: &'a Spanned<DeValue<'a>>| -> Result<Table<'a>> {
            self.child(section, item.span(), item.get_ref().as_table().ok_or_else(wrong)?)
        };
        found.get_ref().as_array().ok_or_else(wrong)?.iter().map(child).collect()
    }

    fn child(&self, section: &'static str, at: Range<usize>, entries: &'a DeTable<'a>) -> Result<Table<'a>> {
        let table = Table { source: self.source, section, at, entries };
        table.refuse_unknown().map(|()| table)
    }

    pub(super) fn parsed<T>(&self, key: &str, parse: impl Fn(&str) -> value::Parsed<T>) -> Result<Option<T>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let text = found.get_ref().as_str().ok_or_else(|| self.wrong_type(key, found, "a string"))?;
        parse(text).map(Some).map_err(|wanted| self.wrong_value(key, found.span(), wanted))
    }

    pub(super) fn required<T>(&self, key: &str, parse: impl Fn(&str) -> value::Parsed<T>) -> Result<T> {
        let missing = || self.error(Code::ConfigValue, self.at.clone(), format!("[{}] has no {key}", self.section));
        self.parsed(key, parse)?.ok_or_else(missing)
    }

    pub(super) fn list<T>(&self, key: &str, parse: impl Fn(&str) -> value::Parsed<T>) -> Result<Vec<T>> {
        let Some(found) = self.get(key) else { return Ok(Vec::new()) };
        let item = |item: &Spanned<DeValue>| {
            let text = item.get_ref().as_str().ok_or_else(|| self.wrong_type(key, item, "a string"))?;
            parse(text).map_err(|wanted| self.wrong_value(key, item.span(), wanted))
        };
        found.get_ref().as_array().ok_or_else(|| self.wrong_type(key, found, "a list"))?.iter().map(item).collect()
    }

    pub(super) fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Result<Option<i64>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        let integer = found.get_ref().as_integer().ok_or_else(|| self.wrong_type(key, found, "a number"))?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
        let wanted = || format!("{integer} is not within {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| self.wrong_value(key, found.span(), wanted()))
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>> {
        let Some(found) = self.get(key) else { return Ok(None) };
        found.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong_type(key, found, "true or false"))
    }
}
