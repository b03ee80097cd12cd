//! `[status]` as `config show` prints it.

use serde_json::{Value, json};

use crate::config::{self, Config};
use crate::model::verdict::Thresholds;

/// What counts, and what would without the file.
pub(super) fn setting(config: &Config, path: &str) -> Option<(Value, Value)> {
    let seconds = |of: fn(&Thresholds) -> u64| told(config, |thresholds| format!("{}s", of(thresholds)));
    Some(match path {
        "status.wal_warning" => seconds(|thresholds| thresholds.wal_warning),
        "status.wal_critical" => seconds(|thresholds| thresholds.wal_critical),
        "status.backup" => seconds(|thresholds| thresholds.backup),
        "status.dump" => seconds(|thresholds| thresholds.dump),
        "status.drill" => seconds(|thresholds| thresholds.drill),
        "status.full_warning" => seconds(|thresholds| thresholds.full_warning),
        "status.full_critical" => seconds(|thresholds| thresholds.full_critical),
        "status.slot" => told(config, |thresholds| format!("{}KiB", thresholds.slot / 1024)),
        "status.behind" => seconds(|thresholds| thresholds.behind),
        _ => return None,
    })
}

fn told(config: &Config, words: impl Fn(&Thresholds) -> String) -> (Value, Value) {
    (json!(words(&config.thresholds)), json!(words(&config::usual_thresholds(&config.objectives))))
}
