//! What `wal push` failed with last: a small file on this host, there only while it fails. Nothing but `status` reads it,
//! and archiving does not depend on it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::model::archive_error;
use crate::model::error::Error;
use crate::operation::state_directory;
use crate::sink::{Durability, PRIVATE, replace};

/// Of the file, after the cluster's name.
const FILE: &str = "archive-error.json";

/// Longest file that is read.
const MAX_FILE: u64 = 4096;

/// PostgreSQL tries again at least so often (`PGARCH_AUTOWAKE_INTERVAL`), so the failure of one attempt is no older when
/// the server tells of it.
const RETRIED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    pub at: Timestamp,
    /// Without its hint, and cut.
    pub message: String,
}

impl LastError {
    /// The server tells that `archive_command` failed at that time: then with this, and not as another program since.
    pub fn explains(&self, failed: Timestamp) -> bool {
        failed.duration_since(self.at) < RETRIED_WITHIN
    }
}

/// Each failure in place of the one before. Where it cannot be kept, the server's log has it: `init` and runs make the
/// directory, and what a dying server has left behind makes none where all else was removed.
pub fn keep(config: &Config, error: &Error) {
    if config.keeps_state() {
        let error = LastError { at: Timestamp::now(), message: archive_error::cut(&error.message) };
        let _ = write(&state_directory::file(config, FILE), &error);
    }
}

fn write(path: &Path, error: &LastError) -> std::io::Result<()> {
    replace(path, &serde_json::to_vec(error)?, PRIVATE, Durability::Later).map_err(|error| error.source)
}

/// A success writes nothing where there was no failure.
pub fn forget(config: &Config) {
    if config.keeps_state() {
        let _ = fs::remove_file(state_directory::file(config, FILE));
    }
}

/// `None` where it does not fail, or nothing could be kept.
pub fn read(config: &Config) -> Option<LastError> {
    let mut text = Vec::new();
    let file = config.keeps_state().then(|| File::open(state_directory::file(config, FILE)))?;
    file.ok()?.take(MAX_FILE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_explains_the_failure_that_follows_at_once() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let error = LastError { at: at(1000), message: String::new() };
        // It may have failed again while the server was asked.
        for (failed, explained) in [(900, true), (1000, true), (1059, true), (1060, false), (5000, false)] {
            assert_eq!(error.explains(at(failed)), explained, "{failed}");
        }
    }
}
