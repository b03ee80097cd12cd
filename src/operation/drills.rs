//! What the drills of a cluster have left in the repository.

use crate::model::catalog::Summary;
use crate::model::drill::{MAX_RECORD, Record};
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys};
use crate::operation::catalog::read_small;
use crate::store::Reader;

/// So many are looked at; a drill a day that fails for so long has proven nothing that still counts.
const MOST: usize = 100;

/// Newest first. One that cannot be read proves nothing.
pub fn newest(reader: &Reader, keys: &ClusterKeys) -> Result<impl Iterator<Item = Result<Record>>> {
    let mut entries = reader.list(&keys.drills())?;
    // Names begin with the time.
    entries.sort_by(|a, b| b.key.cmp(&a.key));
    let reader = reader.clone();
    let read = move |key| Ok(read_small(&reader, &key)?.filter(|bytes| bytes.len() <= MAX_RECORD));
    let parsed = |bytes: Result<Option<Vec<u8>>>| bytes.map(|b| b.and_then(|b| Record::parse(&b).ok())).transpose();
    Ok(entries.into_iter().take(MOST).map(move |entry| read(entry.key)).filter_map(parsed))
}

/// Of those that are there.
pub fn newest_proven(reader: &Reader, keys: &ClusterKeys, backups: &[Summary]) -> Result<Option<BackupId>> {
    for record in newest(reader, keys)? {
        let record = record?;
        let is_there = |id: &BackupId| backups.iter().any(|backup| backup.id == *id);
        if let Some(id) = record.backup.filter(|id| record.passed && is_there(id)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
