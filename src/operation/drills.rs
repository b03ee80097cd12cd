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
