//! The state of everything as Nagios reads a plugin: the verdict in one line, with numbers to draw curves of, and then
//! what a person would see.

use serde::Serialize;

use super::Status;
use crate::model::verdict::Level;
use crate::report::Report;

/// What the plugin calls itself.
const SERVICE: &str = "PGCAIRN";

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Monitored(pub Status);

/// `SERVICE STATUS - text | numbers`: a bar may stand before the numbers alone.
pub fn line(level: Level, text: &str, numbers: &str) -> String {
    let text = text.replace(['|', '\n'], "/");
    let numbers = if numbers.is_empty() { String::new() } else { format!(" | {numbers}") };
    format!("{SERVICE} {} - {text}{numbers}\n", level.word())
}

impl Report for Monitored {
    const NAME: &'static str = Status::NAME;

    fn human(&self) -> String {
        let Monitored(status) = self;
        let cluster = status.cluster.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let text = cluster + &status.verdict.summary();
        line(status.verdict.level, &text, &numbers(status)) + &status.human().replace('|', "/")
    }

    fn next(&self) -> Option<String> {
        self.0.next()
    }
}

/// Seconds and bytes, by names that stay. A repository's name may hold what would end a label.
fn numbers(status: &Status) -> String {
    let mut numbers = Vec::new();
    let wal = status.host.waiting.map(|waiting| waiting.oldest_seconds.unwrap_or(0));
    numbers.extend(wal.map(|seconds| format!("wal_waiting={seconds}s;;;0")));
    for repository in &status.repositories {
        let name = repository.name.replace(['=', '\'', '|'], "_");
        let number = |what: &str, value: Option<u64>, unit: &str| {
            value.map(|value| format!("'{name}_{what}'={value}{unit};;;0"))
        };
        let stored = repository.stored.as_ref();
        numbers.extend(number("last_backup", repository.last_backup.as_ref().map(|last| last.age_seconds), "s"));
        numbers.extend(number("last_drill", repository.last_drill.as_ref().map(|last| last.age_seconds), "s"));
        let of_dumps = repository.last_dump_drill.as_ref().map(|last| last.age_seconds);
        numbers.extend(number("last_dump_drill", of_dumps, "s"));
        numbers.extend(number("stored", stored.map(|stored| stored.total_bytes), "B"));
        numbers.extend(number("free", stored.and_then(|stored| stored.free_bytes), "B"));
    }
    numbers.join(" ")
}
