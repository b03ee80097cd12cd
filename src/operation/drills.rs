//! What the drills of a cluster have proven.

use std::collections::HashMap;

use crate::model::catalog::Summary;
use crate::model::drill::Record;
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys};
use crate::operation::records;
use crate::store::Reader;

/// The newest backup, of those that are there, that passed its last drill: an older one may have been drilled since.
pub fn newest_proven(reader: &Reader, keys: &ClusterKeys, backups: &[Summary]) -> Result<Option<BackupId>> {
    // None of them can have been drilled before it was there.
    let Some(earliest) = backups.iter().map(|backup| backup.started).min() else { return Ok(None) };
    let mut last: HashMap<BackupId, bool> = HashMap::new();
    for record in records::newest_since::<Record>(reader, keys, earliest)? {
        let record = record?;
        if let Some(backup) = record.backup {
            last.entry(backup).or_insert(record.passed);
        }
    }
    let proven = backups.iter().filter(|backup| last.get(&backup.id) == Some(&true));
    Ok(proven.max_by_key(|backup| backup.stopped).map(|backup| backup.id.clone()))
}
