//! What the drills of a cluster have proven.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::config::{self, Config};
use crate::model::catalog::Summary;
use crate::model::drill::{DumpRecord, Record};
use crate::model::dump::Marker;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::readers::READERS_GROUP;
use crate::model::record::Recorded;
use crate::model::shell_word::shell_word;
use crate::operation::catalog::generations;
use crate::operation::records;
use crate::operation::repository::Opened;
use crate::report::Listener;
use crate::report::check::Finding;
use crate::store::{Reader, Repository};

const CHECK: &str = "pgcairn check";
const SUBJECT: &str = "drills";

/// Whoever may read a local repository without owning it may leave records of drills in it, and nothing else. Made before
/// the first of them drills, and again where it was made by an earlier pgcairn. Whether there are such readers.
pub fn open_to_readers(opened: &Opened) -> Result<bool> {
    Ok(opened.repository.creator().open_to_readers(&opened.keys.drills())?)
}

/// The same where something else was to be done, which is done.
pub fn welcome_readers(opened: &Opened, listener: &dyn Listener) {
    if let Err(error) = open_to_readers(opened) {
        let message = format!("nobody but the owner can record drills: {}", error.message);
        listener.warning(Error { message, code: Code::Flagged, ..error }.hint(CHECK));
    }
}

/// For `check`: nothing where nobody but the owner reads it.
pub fn finding(config: &Config, wanted: &config::Repository, repository: &Repository) -> Option<Finding> {
    let path = wanted.url.local_path()?;
    let open =
        || generations(repository, config.name.as_ref())?.iter().map(open_to_readers).collect::<Result<Vec<_>>>();
    match open() {
        Ok(opened) if !opened.contains(&true) => None,
        Ok(_) => Some(Finding::pass(SUBJECT, format!("members of the group {READERS_GROUP} may record theirs"))),
        Err(error) => {
            let path = shell_word(&path.to_string_lossy());
            let hint = format!("sudo chown -R {path}/clusters --reference={path}");
            Some(Finding::warning(SUBJECT, error.message, hint))
        }
    }
}

/// The newest backup, of those that are there, that passed its last drill: an older one may have been drilled since.
pub fn newest_proven(reader: &Reader, keys: &ClusterKeys, backups: &[Summary]) -> Result<Option<BackupId>> {
    let all = backups.iter().map(|backup| (backup.started, backup.stopped, &backup.id));
    newest(reader, keys, all, |record: Record| Some((record.backup?, record.passed)))
}

/// The same of dumps.
pub fn newest_proven_dump(reader: &Reader, keys: &ClusterKeys, dumps: &[Marker]) -> Result<Option<BackupId>> {
    let all = dumps.iter().map(|Marker { summary, .. }| (summary.started, summary.finished, &summary.id));
    newest(reader, keys, all, |record: DumpRecord| Some((record.dump?, record.passed)))
}

/// Of these, each with when it began and when it ended; `outcome` is what a record says of which of them.
fn newest<'i, R: Recorded>(
    reader: &Reader,
    keys: &ClusterKeys,
    all: impl Iterator<Item = (Timestamp, Timestamp, &'i BackupId)> + Clone,
    outcome: impl Fn(R) -> Option<(BackupId, bool)>,
) -> Result<Option<BackupId>> {
    // None of them can have been drilled before it was there.
    let Some(earliest) = all.clone().map(|(began, ..)| began).min() else { return Ok(None) };
    let mut last: HashMap<BackupId, bool> = HashMap::new();
    for record in records::newest_since::<R>(reader, keys, earliest)? {
        if let Some((id, passed)) = outcome(record?) {
            last.entry(id).or_insert(passed);
        }
    }
    let proven = all.filter(|(.., id)| last.get(*id) == Some(&true));
    Ok(proven.max_by_key(|(_, ended, _)| *ended).map(|(.., id)| id.clone()))
}
