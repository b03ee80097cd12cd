//! `[notify]`: who is told of failures. URLs may be secrets, so no message quotes one.

use toml::Spanned;
use toml::de::DeValue;

use super::file::Table;
use super::value::{self, Parsed};
use crate::model::error::Result;
use crate::model::template::{self, UnknownName};
use crate::notify::{Address, Format, NAMES, Settings, Webhook};

const PLACES: &str = "it is a URL, or a table with the place of one: { file = \"/path\" }, { environment = \"NAME\" } or \
                      { credential = \"name\" }";

pub(super) fn settings(table: &Table) -> Result<Settings> {
    Ok(Settings { ping: address(table, "ping")?, webhook: webhook(table)?, command: table.list("command", words)? })
}

fn webhook(table: &Table) -> Result<Option<Webhook>> {
    let named = table.parsed("webhook_format", format)?;
    let body = table.parsed("webhook_body", words)?;
    let (format, key) = match (named, body) {
        (Some(_), Some(_)) => {
            let both = "webhook_format says it too".to_owned();
            return Err(table.wrong_value("webhook_body", table.at("webhook_body"), both));
        }
        (Some(format), None) => (format, Some("webhook_format")),
        (None, Some(body)) => (Format::Body(body), Some("webhook_body")),
        (None, None) => (Format::default(), None),
    };
    match (address(table, "webhook")?, key) {
        (Some(address), _) => Ok(Some(Webhook { address, format })),
        (None, Some(key)) => Err(table.wrong_value(key, table.at(key), "there is no webhook".to_owned())),
        (None, None) => Ok(None),
    }
}

fn address(table: &Table, key: &str) -> Result<Option<Address>> {
    let Some(found) = table.get(key) else { return Ok(None) };
    let read = match found.get_ref() {
        DeValue::String(text) => Address::written(text),
        _ => place(found),
    };
    read.map(Some).map_err(|wanted| table.wrong_value(key, found.span(), wanted))
}

fn place(found: &Spanned<DeValue>) -> Parsed<Address> {
    let entries = found.get_ref().as_table().filter(|entries| entries.len() == 1).ok_or(PLACES)?;
    let (key, value) = entries.iter().next().ok_or(PLACES)?;
    let text = value.get_ref().as_str().filter(|text| !text.is_empty()).ok_or(PLACES)?;
    match key.get_ref().as_ref() {
        "file" => value::absolute_path(text).map(Address::File),
        "environment" => Ok(Address::Environment(text.to_owned())),
        "credential" => value::credential_name(text).map(Address::Credential),
        _ => Err(PLACES.to_owned()),
    }
}

fn format(text: &str) -> Parsed<Format> {
    let found = Format::NAMED.into_iter().find(|format| format.name() == Some(text));
    let names = || Format::NAMED.iter().filter_map(Format::name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("\"{text}\" is none of {}", names()))
}

/// With names in braces, each of which must be known.
fn words(text: &str) -> Parsed<String> {
    let known = || NAMES.map(|name| format!("{{{name}}}")).join(", ");
    match template::check(text, &NAMES) {
        Ok(()) => Ok(text.to_owned()),
        Err(UnknownName(name)) => Err(format!("{{{name}}} is none of {}", known())),
    }
}
