//! What `init` and `check` find out about the server: the settings it has and the settings it needs.

use std::time::Duration;

use super::Context;
use crate::model::control_file::WalLevel;
use crate::postgres::{ArchiveMode, Connection, Settings, check_archiving};
use crate::report::check::Finding;
use crate::report::init::{Setting, Takes};

/// A segment is archived at the latest after this long, also when it is not full.
pub const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines for postgresql.conf, each with what the running server has.
pub fn needed_settings(context: &Context, server: Option<&Settings>) -> Vec<Setting> {
    let wanted = context.config.objectives.rpo.map_or(ARCHIVE_TIMEOUT, |rpo| rpo.min(ARCHIVE_TIMEOUT));
    let seconds = wanted.as_secs().max(1);
    let command = context.archive_command();
    let current = |value: fn(&Settings) -> String| server.map(value);
    let fits = |test: &dyn Fn(&Settings) -> bool| server.is_some_and(test);
    let setting = |name: &str, value: String, current, takes: Takes, fits: bool| Setting {
        name: name.to_owned(),
        value,
        current,
        takes: if fits { Takes::Nothing } else { takes },
    };
    vec![
        setting(
            "wal_level",
            "replica".to_owned(),
            current(|s| wal_level(s.wal_level).to_owned()),
            Takes::Restart,
            fits(&|s| s.wal_level >= WalLevel::Replica),
        ),
        setting(
            "archive_mode",
            "on".to_owned(),
            current(|s| archive_mode(s.archive_mode).to_owned()),
            Takes::Restart,
            fits(&|s| s.archive_mode != ArchiveMode::Off),
        ),
        setting(
            "archive_command",
            format!("'{}'", command.replace('\'', "''")),
            current(|s| s.archive_command.clone()),
            Takes::Reload,
            fits(&|s| s.archive_command == command),
        ),
        setting(
            "archive_timeout",
            format!("{seconds}s"),
            current(|s| s.archive_timeout.map_or("0".to_owned(), |t| format!("{}s", t.as_secs()))),
            Takes::Reload,
            fits(&|s| s.archive_timeout.is_some_and(|t| t <= wanted)),
        ),
    ]
    .into_iter()
    // What the server has higher than needed is left as it is.
    .filter(|s| s.takes != Takes::Nothing || s.name != "wal_level")
    .collect()
}

fn wal_level(level: WalLevel) -> &'static str {
    match level {
        WalLevel::Minimal => "minimal",
        WalLevel::Replica => "replica",
        WalLevel::Logical => "logical",
    }
}

fn archive_mode(mode: ArchiveMode) -> &'static str {
    match mode {
        ArchiveMode::Off => "off",
        ArchiveMode::On => "on",
        ArchiveMode::Always => "always",
    }
}

/// The server's settings as findings.
pub fn server(context: &Context, connection: &mut Connection, settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![Finding::pass("server", format!("PostgreSQL {}", settings.version_text))];
    findings.push(match check_archiving(connection, settings, &context.archive_command()) {
        Ok(()) => archive_command(context, settings),
        Err(error) => Finding::fail("archiving", error),
    });
    findings.push(archive_timeout(context, settings));
    findings.push(match settings.data_checksums {
        crate::model::control_file::DataChecksums::On => Finding::pass("data_checksums", "on"),
        _ => Finding::advice(
            "data_checksums",
            "off: damaged pages are copied unnoticed",
            "stop the server, then pg_checksums --enable",
        ),
    });
    if let Ok(Some(failure)) = connection.archiver_failure() {
        findings.push(Finding::warning(
            "archiver",
            format!("archive_command failed for {} at {} and has not succeeded since", failure.segment, failure.at),
            "the server's log says what archive_command answered",
        ));
    }
    findings
}

fn archive_command(context: &Context, settings: &Settings) -> Finding {
    if crate::postgres::calls_push(&settings.archive_command) {
        return Finding::pass("archive_command", settings.archive_command.clone());
    }
    let message = format!("archive_command is \"{}\", which is not pgcairn wal push", settings.archive_command);
    Finding::warning("archive_command", message, format!("archive_command = '{}'", context.archive_command()))
}

fn archive_timeout(context: &Context, settings: &Settings) -> Finding {
    let limit = context.config.objectives.rpo;
    let hint = format!("archive_timeout = '{}s'", limit.unwrap_or(ARCHIVE_TIMEOUT).min(ARCHIVE_TIMEOUT).as_secs());
    match (settings.archive_timeout, limit) {
        (None, Some(rpo)) => Finding::warning(
            "archive_timeout",
            format!("archive_timeout is 0, and [objectives] rpo is {} s", rpo.as_secs()),
            hint,
        ),
        (Some(timeout), Some(rpo)) if timeout > rpo => Finding::warning(
            "archive_timeout",
            format!("archive_timeout is {} s, and [objectives] rpo is {} s", timeout.as_secs(), rpo.as_secs()),
            hint,
        ),
        (None, None) => Finding::advice(
            "archive_timeout",
            "archive_timeout is 0: on a quiet server the last transactions may wait long for the archive",
            hint,
        ),
        (Some(timeout), _) => Finding::pass("archive_timeout", format!("{} s", timeout.as_secs())),
    }
}
