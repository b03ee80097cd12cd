//! The configuration as a JSON schema, made of the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{ARRAY_SECTION, CHECK_KEYS, DUMP_RETENTION_KEYS, Form, KEYS, Key, sections};

/// JSON schema (draft 2020-12) of a configuration file.
pub fn schema() -> Value {
    let mut properties = object("")["properties"].take();
    for section in sections() {
        properties[section] = if section == ARRAY_SECTION {
            json!({"type": "array", "minItems": 1, "items": object(section)})
        } else {
            object(section)
        };
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pgcairn configuration of one PostgreSQL cluster",
        "type": "object",
        "additionalProperties": false,
        "required": [ARRAY_SECTION],
        "properties": properties,
    })
}

fn object(section: &str) -> Value {
    let keys: Vec<&Key> = KEYS.iter().filter(|key| key.section == section).collect();
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn property(key: &Key) -> Value {
    let mut property = match key.form {
        Form::Text => json!({"type": "string", "minLength": 1}),
        Form::Path => json!({"type": "string", "pattern": "^/"}),
        Form::Paths => json!({"type": "array", "items": {"type": "string", "pattern": "^/"}}),
        Form::Recipients => {
            json!({"type": "array", "items": {"type": "string", "pattern": "^age1[02-9ac-hj-np-z]{58}$"}})
        }
        Form::Url => json!({"type": "string", "pattern": "^(file:///|s3://)"}),
        Form::Duration => json!({"type": "string", "examples": ["30s", "5min", "2h", "7d"]}),
        Form::Rate => json!({"type": "string", "pattern": "^[0-9]+ ?[KMGT]iB(/s)?$"}),
        Form::Size => json!({"type": "string", "pattern": "^[0-9]+ ?[KMGT]iB$"}),
        Form::Boolean => json!({"type": "boolean"}),
        Form::Choice(values) => json!({"enum": values}),
        Form::Credentials => credentials(),
        Form::File => {
            let properties = json!({"file": {"type": "string", "pattern": "^/"}});
            json!({"type": "object", "additionalProperties": false, "required": ["file"], "properties": properties})
        }
        Form::PublicKeys => {
            json!({"type": "array", "items": {"type": "string", "pattern": "^ed25519:[A-Za-z0-9+/]{43}=$"}})
        }
        Form::Retention => object("retention"),
        Form::DumpRetention => dump_retention(),
        Form::Patterns => json!({"type": "array", "items": text()}),
        Form::Address => address(),
        Form::Words => json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
        Form::Checks => json!({"type": "array", "items": check()}),
        Form::Integer(minimum, maximum) => json!({"type": "integer", "minimum": minimum, "maximum": maximum}),
    };
    property["description"] = match key.default {
        Some(default) => json!(format!("{}; default: {default}", key.meaning)),
        None => json!(key.meaning),
    };
    property
}

/// A table with this key, and others that may be left out.
fn one(name: &str, value: Value, more: Value) -> Value {
    let mut properties = more;
    properties[name] = value;
    json!({"type": "object", "additionalProperties": false, "required": [name], "properties": properties})
}

fn text() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn address() -> Value {
    json!({"oneOf": [
        json!({"type": "string", "pattern": "^https?://"}),
        one("file", json!({"type": "string", "pattern": "^/"}), json!({})),
        one("environment", text(), json!({})),
        one("credential", text(), json!({})),
    ]})
}

fn check() -> Value {
    let properties: Map<String, Value> = CHECK_KEYS.iter().map(|name| ((*name).to_owned(), text())).collect();
    json!({"type": "object", "additionalProperties": false, "required": ["database", "sql"], "properties": properties})
}

/// As `[retention]`, but for its window.
fn dump_retention() -> Value {
    let mut table = object("retention");
    let mut properties: Map<String, Value> = DUMP_RETENTION_KEYS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), table["properties"].get(*name)?.clone())))
        .collect();
    properties.insert("within".to_owned(), json!({"type": "string", "examples": ["7d"]}));
    table["properties"] = Value::Object(properties);
    table
}

fn credentials() -> Value {
    let words = json!({"type": "array", "minItems": 1, "items": {"type": "string"}});
    json!({"oneOf": [
        one("file", json!({"type": "string", "pattern": "^/"}), json!({"profile": text()})),
        one("environment", json!({"const": true}), json!({})),
        one("web_identity", json!({"const": true}), json!({})),
        one("instance", json!({"const": true}), json!({})),
        one("credential", text(), json!({})),
        one("command", words, json!({})),
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_schema() {
        let schema = schema();
        for key in KEYS {
            let pointer = match key.section {
                "" => format!("/properties/{}", key.name),
                ARRAY_SECTION => format!("/properties/{ARRAY_SECTION}/items/properties/{}", key.name),
                section => format!("/properties/{section}/properties/{}", key.name),
            };
            let property = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer}"));
            assert!(property["description"].as_str().is_some_and(|d| d.starts_with(key.meaning)), "{pointer}");
        }
    }
}
