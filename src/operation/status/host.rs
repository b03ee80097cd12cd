//! What the data directory and the host tell, with the server up or down.

use std::path::Path;

use jiff::Timestamp;

use crate::config::Config;
use crate::config::identity::OnHost;
use crate::model::archive_error;
use crate::postgres::server_log;
use crate::report::status::{Host, KeyOnHost, Waiting};

/// How long that takes depends on disks alone.
pub fn look(data_dir: &Path, now: Timestamp) -> Host {
    let wal = data_dir.join("pg_wal");
    let free = rustix::fs::statvfs(&wal).ok().map(|it| it.f_bavail.saturating_mul(it.f_frsize));
    let archive_error = server_log::tail(data_dir).and_then(|log| archive_error::last(&log));
    Host { waiting: waiting(data_dir, now), wal_free_bytes: free, archive_error }
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

/// Of these keys those that open what is stored from now on.
pub fn keys(config: &Config, found: &[OnHost]) -> Vec<KeyOnHost> {
    let ours: Vec<String> = config.recipients.iter().map(ToString::to_string).collect();
    let opens = |key: &OnHost| key.recipients.iter().any(|recipient| ours.contains(&recipient.to_string()));
    found.iter().map(|key| KeyOnHost { path: key.path.clone(), opens: opens(key) }).collect()
}
