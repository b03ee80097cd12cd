//! `config check`, `config show`, `config schema`: the file as pgcairn understands it.

use serde_json::{Value, json};

use crate::config::{Backup, Config, DEFAULT_CONNECTION, KEYS};
use crate::report::config::{ConfigCheck, ConfigShow, Schema, Shown};

/// Reading the file has checked it; this says so.
pub fn check(config: &Config) -> ConfigCheck {
    let cluster = config.name.as_ref().map(ToString::to_string).unwrap_or_default();
    ConfigCheck { file: config.file.clone(), cluster, next: config.command_line().spell_out("pgcairn check") }
}

/// Every setting that counts, defaults included.
pub fn show(config: &Config) -> ConfigShow {
    let shown = |path: String| {
        let (value, default) = setting(config, &path);
        Shown { is_default: value == default, key: path, value }
    };
    ConfigShow { file: config.file.clone(), settings: KEYS.iter().map(|key| shown(key.path())).collect() }
}

pub fn schema() -> Schema {
    Schema(crate::config::schema())
}

/// The value of a key and its default. A password in the connection string is left out.
fn setting(config: &Config, path: &str) -> (Value, Value) {
    let Config { postgres, repository, backup, .. } = config;
    let usual = Backup::default();
    let text = |text: &dyn ToString| json!(text.to_string());
    match path {
        "name" => (json!(config.name), file_stem(config)),
        "postgres.data_dir" => (json!(postgres.as_ref().map(|p| &p.data_dir)), Value::Null),
        "postgres.connection" => (
            json!(postgres.as_ref().map(|p| p.connection.shown())),
            json!(postgres.as_ref().map(|_| DEFAULT_CONNECTION)),
        ),
        "encryption.recipients" => (config.recipients.iter().map(|r| text(r)).collect(), json!([])),
        "repository.name" => (json!(repository.name), Value::Null),
        "repository.url" => (text(&repository.url), Value::Null),
        "repository.id" => (json!(repository.id), Value::Null),
        "objectives.rpo" => (json!(config.objectives.rpo.map(|rpo| format!("{}s", rpo.as_secs_f64()))), Value::Null),
        "backup.jobs" => (json!(backup.jobs()), json!(usual.jobs())),
        "backup.compression" => (json!(backup.compression), json!(usual.compression)),
        "backup.max_rate" => (json!(backup.max_rate.map(|rate| format!("{}KiB", rate / 1024))), Value::Null),
        "backup.include" => (json!(backup.include), json!(usual.include)),
        _ => (Value::Null, Value::Null),
    }
}

fn file_stem(config: &Config) -> Value {
    json!(config.file.as_ref().and_then(|file| file.file_stem()).map(|stem| stem.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_an_arm_of_its_own() {
        let source = include_str!("config.rs");
        for key in KEYS {
            assert!(source.contains(&format!("\"{}\" =>", key.path())), "{}", key.path());
        }
    }
}
