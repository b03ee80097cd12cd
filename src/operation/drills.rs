//! What the drills of a cluster have left in the repository.

use crate::model::catalog::Summary;
use crate::model::drill::{MAX_RECORD, Record};
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys};
use crate::operation::records;
use crate::store::Reader;

/// Newest first. One that cannot be read proves nothing.
pub fn newest(reader: &Reader, keys: &ClusterKeys) -> Result<impl Iterator<Item = Result<Record>>> {
    let parse = |bytes: &[u8]| Record::parse(bytes).ok().filter(|_| bytes.len() <= MAX_RECORD);
    records::newest(reader, &keys.drills(), parse)
}

/// The newest backup, of those that are there, that has passed a drill: an older one may have been drilled since.
pub fn newest_proven(reader: &Reader, keys: &ClusterKeys, backups: &[Summary]) -> Result<Option<BackupId>> {
    let mut newest_proven: Option<&Summary> = None;
    for record in newest(reader, keys)? {
        let record = record?;
        if newest_proven.is_some_and(|proven| record.started < proven.stopped) {
            break;
        }
        let proven = backups.iter().find(|backup| record.passed && record.backup.as_ref() == Some(&backup.id));
        newest_proven = newest_proven.into_iter().chain(proven).max_by_key(|backup| backup.stopped);
    }
    Ok(newest_proven.map(|backup| backup.id.clone()))
}
