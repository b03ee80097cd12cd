//! `[dump]` as `config show` prints it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{self, Config};
use crate::model::plan::dump_retention::DumpPolicy;

/// What counts, and what would without the file.
pub(super) fn setting(config: &Config, path: &str) -> Option<(Value, Value)> {
    let (dump, usual) = (config.dump.clone().unwrap_or_default(), config::Dump::default());
    Some(match path {
        "dump.databases" => (json!(dump.databases), json!(usual.databases)),
        "dump.exclude" => (json!(dump.exclude), json!(usual.exclude)),
        "dump.lock_timeout" => (seconds(dump.lock_timeout), seconds(usual.lock_timeout)),
        "dump.compression" => (json!(dump.compression), json!(usual.compression)),
        "dump.retention" => (config.dump_retention().map_or(Value::Null, policy), Value::Null),
        _ => return None,
    })
}

fn seconds(duration: Duration) -> Value {
    json!(format!("{}s", duration.as_secs_f64()))
}

fn policy(policy: &DumpPolicy) -> Value {
    let DumpPolicy { within, daily, weekly, monthly, yearly, minimum } = policy;
    json!({"within": seconds(*within), "daily": daily, "weekly": weekly, "monthly": monthly, "yearly": yearly,
        "minimum": minimum})
}
