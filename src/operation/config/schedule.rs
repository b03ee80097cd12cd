//! `[schedule]` as `config show` prints it.

use serde_json::{Value, json};

use crate::config::Config;
use crate::model::schedule::Job;

/// When it is started, and when it would be without the file.
pub(super) fn setting(config: &Config, path: &str) -> Option<(Value, Value)> {
    let time = |job: Job| (json!(config.schedule.word(job).unwrap_or(job.usual())), json!(job.usual()));
    Some(match path {
        "schedule.backup" => time(Job::Backup),
        "schedule.dump" => time(Job::Dump),
        "schedule.expire" => time(Job::Expire),
        "schedule.copy" => time(Job::Copy),
        "schedule.verify" => time(Job::Verify),
        "schedule.drill" => time(Job::Drill),
        _ => return None,
    })
}
