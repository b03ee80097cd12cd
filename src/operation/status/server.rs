//! What the server and its data directory tell.

use std::path::Path;

use jiff::Timestamp;

use crate::model::error::Code;
use crate::operation::Context;
use crate::postgres::{Connection, Settings};
use crate::report::status::{ArchiverFailure, Server, State, Waiting};

pub fn look(context: &Context) -> Server {
    let read = context.config.postgres().and_then(|postgres| {
        let mut connection = Connection::open(postgres.connection.as_str())?;
        let settings = Settings::read(&mut connection)?;
        Ok((settings, connection.archiver_failure()?))
    });
    match read {
        Ok((settings, failure)) => Server {
            state: State::Running,
            version: Some(settings.version_text),
            system_identifier: Some(settings.system_identifier.to_string()),
            standby: Some(settings.in_recovery),
            archiver_failure: failure.map(|failure| ArchiverFailure { segment: failure.segment, at: failure.at }),
            error: None,
        },
        Err(error) => {
            let state = if error.code == Code::Unreachable { State::Unreachable } else { State::Unknown };
            Server { state, ..Server::unknown(&error) }
        }
    }
}

/// What waits for `archive_command`, by the files `XLogArchiveNotify` leaves: they tell with the server down as well.
/// `None` where the directory cannot be read.
pub fn waiting(data_dir: &Path, now: Timestamp) -> Option<Waiting> {
    let mut waiting = Waiting { files: 0, oldest_seconds: None };
    for entry in std::fs::read_dir(data_dir.join("pg_wal/archive_status")).ok()? {
        let Ok(entry) = entry else { continue };
        if !entry.file_name().to_string_lossy().ends_with(".ready") {
            continue;
        }
        // One that is archived meanwhile does not wait any more.
        let Some(since) = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| Timestamp::try_from(t).ok())
        else {
            continue;
        };
        let seconds = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
        waiting.files += 1;
        waiting.oldest_seconds = waiting.oldest_seconds.max(Some(seconds));
    }
    Some(waiting)
}
