//! Where backups and WAL go: one repository, and further ones to which they are copied.

use std::fmt;
use std::str::FromStr;

use super::file::Table;
use super::value::{self, RepositoryUrl};
use super::{Config, file, keys, s3};
use crate::model::error::{Code, Result};
use crate::model::plan::dump_retention::DumpPolicy;
use crate::model::plan::retention::{Period, Policy};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    pub url: RepositoryUrl,
    /// The repository id that must be found there.
    pub id: Option<String>,
    /// Whether archiving and backups succeed only with it.
    pub required: bool,
    /// Only one backup of each such period is copied to it, with the WAL that it needs.
    pub keep: Option<Period>,
    /// Its own, in place of `[retention]`.
    pub retention: Option<Policy>,
    /// What it costs to keep something in it.
    pub price: Option<Price>,
}

/// Of one GiB, kept for a month.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    pub amount: f64,
    pub currency: String,
}

impl Eq for Price {}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> value::Parsed<Price> {
        let wanted = || format!("\"{text}\" is not a price such as 0.023 USD, of one GiB for a month");
        let (amount, currency) = text.split_once(' ').ok_or_else(wanted)?;
        let is_plain = amount.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let amount: f64 = Some(amount).filter(|_| is_plain).and_then(|a| a.parse().ok()).ok_or_else(wanted)?;
        let is_word = (1..=8).contains(&currency.chars().count()) && !currency.contains(char::is_whitespace);
        if is_word { Ok(Price { amount, currency: currency.to_owned() }) } else { Err(wanted()) }
    }
}

impl Repository {
    /// One that no configuration names is called by its URL.
    pub(super) fn at(url: RepositoryUrl) -> Repository {
        Repository { name: url.to_string(), url, id: None, required: true, keep: None, retention: None, price: None }
    }

    /// WAL comes to it from `archive_command` itself.
    pub fn is_archived_to(&self) -> bool {
        self.required && self.keep.is_none()
    }
}

/// `--repository`: a configured one by its name, or any by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryChoice {
    Name(String),
    Url(RepositoryUrl),
}

impl FromStr for RepositoryChoice {
    type Err = String;

    fn from_str(text: &str) -> value::Parsed<RepositoryChoice> {
        match text.contains('/') || text.is_empty() {
            true => text.parse().map(RepositoryChoice::Url),
            false => Ok(RepositoryChoice::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for RepositoryChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RepositoryChoice::Name(name) => f.write_str(name),
            RepositoryChoice::Url(url) => url.fmt(f),
        }
    }
}

/// What holds where a repository has no retention of its own, and of dumps in any case.
#[derive(Clone, Copy)]
pub(super) struct Usual<'u> {
    pub retention: Option<&'u Policy>,
    pub dumps: Option<&'u DumpPolicy>,
}

/// The first and the others.
pub(super) fn all(top: &Table, usual: Usual<'_>) -> Result<(Repository, Vec<Repository>)> {
    let tables = top.tables(keys::ARRAY_SECTION)?;
    let Some((first, others)) = tables.split_first() else {
        let missing = top.error(Code::ConfigValue, 0..0, "there is no [[repository]]");
        return Err(missing.hint("add [[repository]] with name = \"local\" and url = \"file:///var/backups/pgcairn\""));
    };
    for key in ["required", "keep"] {
        if let Some(found) = first.get(key) {
            let wrong = "the first [[repository]] takes every backup; it belongs to a later one";
            return Err(first.wrong_value(key, found.span(), wrong.to_owned()));
        }
    }
    let first = one(first, usual)?;
    let mut read: Vec<Repository> = Vec::with_capacity(others.len());
    for table in others {
        let other = one(table, usual)?;
        refuse_twice(table, &other, std::iter::once(&first).chain(&read))?;
        read.push(other);
    }
    Ok((first, read))
}

fn one(table: &Table, usual: Usual<'_>) -> Result<Repository> {
    let retention = table.table("retention")?.map(|table| file::retention(&table)).transpose()?;
    let keep = table.parsed("keep", period)?;
    let dumps = usual.dumps.filter(|_| keep.is_none()).map(DumpPolicy::longest).unwrap_or_default();
    let kept = retention.as_ref().or(usual.retention).map(|policy| policy.longest().max(dumps));
    Ok(Repository {
        name: table.required("name", name)?,
        url: s3::url(table, kept)?,
        id: table.parsed("id", value::not_empty)?,
        required: table.boolean("required")?.unwrap_or(true),
        keep,
        retention,
        price: table.parsed("price", Price::from_str)?,
    })
}

/// Two of one name cannot be told apart, and two of one place are one.
fn refuse_twice<'r>(table: &Table, this: &Repository, before: impl Iterator<Item = &'r Repository>) -> Result<()> {
    for other in before {
        if other.name == this.name {
            return Err(table.wrong_value("name", table.at("name"), format!("\"{}\" is taken already", this.name)));
        }
        if other.url.place() == this.url.place() {
            let wrong = format!("\"{}\" is this place already", other.name);
            return Err(table.wrong_value("url", table.at("url"), wrong));
        }
    }
    Ok(())
}

/// `--repository` tells names from URLs.
fn name(text: &str) -> value::Parsed<String> {
    match text.contains('/') {
        true => Err(format!("\"{text}\" has a '/', as a URL has")),
        false => value::not_empty(text),
    }
}

fn period(text: &str) -> value::Parsed<Period> {
    let known = [Period::Day, Period::Week, Period::Month, Period::Year];
    let found = known.into_iter().find(|period| period.adverb() == text);
    found.ok_or_else(|| format!("\"{text}\" is none of {}", known.map(Period::adverb).join(", ")))
}

/// What is chosen of all, as the only one.
pub(super) fn chosen(choice: &RepositoryChoice, config: &Config) -> Result<Repository> {
    match choice {
        RepositoryChoice::Name(name) => config.named(name).cloned(),
        RepositoryChoice::Url(url) => {
            if let Some(known) = config.repositories().find(|known| known.url.as_str() == url.as_str()) {
                return Ok(known.clone());
            }
            let url = config.repositories().fold(url.clone(), |url, known| url.or(&known.url));
            Ok(Repository::at(url))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices() {
        assert_eq!("0.023 USD".parse(), Ok(Price { amount: 0.023, currency: "USD".to_owned() }));
        assert_eq!("5 €".parse(), Ok(Price { amount: 5.0, currency: "€".to_owned() }));
        for text in ["", "5", "5USD", "USD 5", "-1 USD", "1e3 USD", "inf USD", "1 US dollar", "1  USD", "1. . USD"] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }
}
