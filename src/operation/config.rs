//! `config check`, `config show`, `config schema`: the file as pgcairn understands it.

mod dump;
mod notify;
mod schedule;
mod status;

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{self, Backup, Config, DEFAULT_CONNECTION, KEYS, Repository};
use crate::model::plan::retention::{Period, Policy};
use crate::report::config::{ConfigCheck, ConfigShow, Schema, Shown};
use crate::store::{Credentials, RepositoryUrl, S3Settings, ServerSideEncryption};

const REPOSITORY: &str = "repository";

/// Reading the file has checked it; this says so.
pub fn check(config: &Config) -> ConfigCheck {
    let cluster = config.name.as_ref().map(ToString::to_string).unwrap_or_default();
    ConfigCheck { file: config.file.clone(), cluster, next: config.command_line().spell_out("pgcairn check") }
}

/// Every setting that counts, defaults included.
pub fn show(config: &Config) -> ConfigShow {
    let mut settings = Vec::new();
    for table in KEYS.chunk_by(|a, b| a.section == b.section) {
        let several = table.iter().any(|key| key.section == REPOSITORY) && !config.others.is_empty();
        for repository in config.repositories().take(if several { usize::MAX } else { 1 }) {
            settings.extend(table.iter().map(|key| {
                let (value, default) = setting(config, repository, &key.path());
                let place = if several { format!("{REPOSITORY}[{}]", repository.name) } else { key.section.to_owned() };
                let key = if place.is_empty() { key.name.to_owned() } else { format!("{place}.{}", key.name) };
                Shown { is_default: value == default, key, value }
            }));
        }
    }
    ConfigShow { file: config.file.clone(), settings }
}

pub fn schema() -> Schema {
    Schema(crate::config::schema())
}

/// The value of a key and its default. A password in the connection string is left out.
fn setting(config: &Config, repository: &Repository, path: &str) -> (Value, Value) {
    let Config { postgres, backup, .. } = config;
    let usual = Backup::default();
    let text = |text: &dyn ToString| json!(text.to_string());
    match path {
        "name" => (json!(config.name), file_stem(config)),
        "postgres.data_dir" => (json!(postgres.as_ref().map(|p| &p.data_dir)), Value::Null),
        "postgres.connection" => (
            json!(config.connection().ok().map(|connection| connection.shown())),
            json!(postgres.as_ref().map(|_| DEFAULT_CONNECTION)),
        ),
        "encryption.recipients" => (config.recipients.iter().map(|r| text(r)).collect(), json!([])),
        "signing.key" => (
            json!(config.signing_key_file().map(|file| json!({"file": file}))),
            json!(config.signing.beside.as_ref().map(|file| json!({"file": file}))),
        ),
        "signing.trusted" => (config.signing.trusted.iter().map(|key| text(key)).collect(), json!([])),
        "repository.name" => (json!(repository.name), Value::Null),
        "repository.url" => (text(&repository.url), Value::Null),
        "repository.id" => (json!(repository.id), Value::Null),
        "repository.required" => (json!(repository.required), json!(true)),
        "repository.keep" => (json!(repository.keep.map(Period::adverb)), Value::Null),
        "repository.retention" => (repository.retention.as_ref().map_or(Value::Null, policy), Value::Null),
        "repository.price" => (json!(repository.price.as_ref().map(ToString::to_string)), Value::Null),
        "repository.endpoint" => s3(repository, |s3| json!(s3.endpoint)),
        "repository.region" => s3(repository, |s3| json!(s3.region)),
        "repository.path_style" => s3(repository, |s3| json!(s3.path_style)),
        "repository.storage_class" => s3(repository, |s3| json!(s3.storage_class)),
        "repository.sse" => s3(repository, |s3| encryption(s3).0),
        "repository.kms_key_id" => s3(repository, |s3| encryption(s3).1),
        "repository.object_lock" => s3(repository, |s3| json!(s3.lock.map(|lock| lock.mode.word()))),
        "repository.object_lock_for" => {
            let told = |period: Duration| json!(format!("{}s", period.as_secs_f64()));
            let locked = s3(repository, |s3| s3.lock.map_or(Value::Null, |lock| told(lock.period))).0;
            let usual = config.longest_kept(repository).filter(|_| !locked.is_null());
            (locked, usual.map_or(Value::Null, |kept| told(config::usual_lock_period(kept))))
        }
        "repository.ca_file" => s3(repository, |s3| json!(s3.ca_file)),
        "repository.proxy" => s3(repository, |s3| json!(s3.proxy)),
        "repository.concurrency" => s3(repository, |s3| json!(s3.concurrency)),
        "repository.credentials" => s3(repository, |s3| credentials(&s3.credentials)),
        "objectives.rpo" => (json!(config.objectives.rpo.map(|rpo| format!("{}s", rpo.as_secs_f64()))), Value::Null),
        "objectives.rto" => (json!(config.objectives.rto.map(|rto| format!("{}s", rto.as_secs_f64()))), Value::Null),
        "backup.jobs" => (json!(backup.jobs()), json!(usual.jobs())),
        "backup.compression" => (json!(backup.compression), json!(usual.compression)),
        "backup.max_rate" => (json!(backup.max_rate.map(|rate| format!("{}KiB", rate / 1024))), Value::Null),
        "backup.include" => (json!(backup.include), json!(usual.include)),
        "retention.recovery_window" => {
            kept(config, |policy| json!(format!("{}s", policy.recovery_window.as_secs_f64())))
        }
        "retention.daily" => kept(config, |policy| json!(policy.daily)),
        "retention.weekly" => kept(config, |policy| json!(policy.weekly)),
        "retention.monthly" => kept(config, |policy| json!(policy.monthly)),
        "retention.yearly" => kept(config, |policy| json!(policy.yearly)),
        "retention.minimum" => kept(config, |policy| json!(policy.minimum)),
        "state_dir" => (json!(config.state_directory()), json!(config::DEFAULT_STATE_DIRECTORY)),
        "metrics.textfile" => (json!(config.metrics), Value::Null),
        "drill.scratch" => (json!(config.drill.scratch), Value::Null),
        "drill.limit" => {
            let told = |limit: Duration| json!(format!("{}s", limit.as_secs_f64()));
            (told(config.drill.limit), told(config::Drill::default().limit))
        }
        "drill.check" => (config.drill.checks.iter().map(check_table).collect(), json!([])),
        _ => status::setting(config, path)
            .or_else(|| schedule::setting(config, path))
            .or_else(|| dump::setting(config, path))
            .unwrap_or_else(|| notify::setting(config, path)),
    }
}

/// Nothing of it is set for a local repository; a default that the store has is not ours to tell.
fn s3(repository: &Repository, value: impl Fn(&S3Settings) -> Value) -> (Value, Value) {
    match repository.url.place() {
        RepositoryUrl::S3(settings) => (value(settings), Value::Null),
        RepositoryUrl::File(_) => (Value::Null, Value::Null),
    }
}

fn encryption(s3: &S3Settings) -> (Value, Value) {
    match &s3.encryption {
        None => (Value::Null, Value::Null),
        Some(ServerSideEncryption::Aes256) => (json!("AES256"), Value::Null),
        Some(ServerSideEncryption::Kms { key_id }) => (json!("aws:kms"), json!(key_id)),
    }
}

/// Where they are; of a command only its first word, in case somebody put a secret into the others.
fn credentials(credentials: &Credentials) -> Value {
    match credentials {
        Credentials::Usual => Value::Null,
        Credentials::Environment => json!({"environment": true}),
        Credentials::WebIdentity => json!({"web_identity": true}),
        Credentials::Instance => json!({"instance": true}),
        Credentials::File { path, profile: None } => json!({"file": path}),
        Credentials::File { path, profile } => json!({"file": path, "profile": profile}),
        Credentials::Credential(name) => json!({"credential": name}),
        Credentials::Command(words) => json!({"command": words.iter().take(1).collect::<Vec<_>>()}),
    }
}

/// A repository's own retention, as its table has it.
fn policy(policy: &Policy) -> Value {
    let Policy { recovery_window, daily, weekly, monthly, yearly, minimum } = policy;
    let recovery_window = format!("{}s", recovery_window.as_secs_f64());
    json!({"recovery_window": recovery_window, "daily": daily, "weekly": weekly, "monthly": monthly,
        "yearly": yearly, "minimum": minimum})
}

fn check_table(check: &config::DrillCheck) -> Value {
    json!({"name": check.name, "database": check.database, "sql": check.sql})
}

/// Without `[retention]` nothing of it counts.
fn kept(config: &Config, of: impl Fn(&Policy) -> Value) -> (Value, Value) {
    match &config.retention {
        Some(policy) => (of(policy), of(&Policy::default())),
        None => (Value::Null, Value::Null),
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
        let more = [
            include_str!("config/dump.rs"),
            include_str!("config/notify.rs"),
            include_str!("config/schedule.rs"),
            include_str!("config/status.rs"),
        ];
        let sources = [&[include_str!("config.rs")], &more[..]].concat();
        for key in KEYS {
            let arm = format!("\"{}\" =>", key.path());
            assert!(sources.iter().any(|source| source.contains(&arm)), "{arm}");
        }
    }
}
