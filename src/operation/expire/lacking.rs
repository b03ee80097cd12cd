//! What there is of a backup or dump, by a listing, beside what its marker says: one that has lost objects is worth nothing,
//! and must not take the place of one that can be restored.

use std::collections::BTreeMap;

use crate::model::catalog::{Method, Summary};
use crate::model::dump::Marker;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::store::{Entry, Reader};

/// Only full ones consist of what they have written themselves.
pub fn mark_backups(reader: &Reader, keys: &ClusterKeys, backups: &mut [Summary], parts: &[Entry]) -> Result<()> {
    let mut there: BTreeMap<BackupId, u64> = BTreeMap::new();
    for entry in parts {
        keys.writer_of(&entry.key).into_iter().for_each(|id| *there.entry(id).or_default() += entry.size);
    }
    for backup in backups.iter_mut().filter(|backup| backup.method == Method::Full) {
        let (id, stored) = (&backup.id, backup.totals.stored_bytes);
        backup.lacks_objects = there.get(id).copied().unwrap_or_default() < stored && {
            // Parts are listed before markers: it may have been committed in between.
            let mut again = reader.stat_if_there(&keys.objects(id))?.map_or(0, |list| list.size);
            for directory in keys.parts_of(id) {
                again += bytes(&reader.list(&directory)?);
            }
            again < stored
        };
    }
    Ok(())
}

pub fn mark_dumps(
    reader: &Reader,
    keys: &ClusterKeys,
    dumps: &mut [Marker],
    parts: &BTreeMap<BackupId, Vec<Entry>>,
) -> Result<()> {
    for Marker { summary, .. } in dumps {
        let (id, stored) = (&summary.id, summary.totals.stored_bytes);
        summary.lacks_objects = parts.get(id).map_or(0, |parts| bytes(parts)) < stored
            && bytes(&reader.list(&keys.dump_directory(id))?) < stored;
    }
    Ok(())
}

fn bytes(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.size).sum()
}

pub fn told(id: &BackupId) -> Error {
    let noun = id.noun();
    let message = format!("{noun} {id} lacks objects, and cannot be restored: no other is dropped for it");
    Error::new(Code::Damaged, message).hint(format!(
        "what is missing: pgcairn verify {id}; to bring it back from another repository: pgcairn copy --all; and then: pgcairn {noun}"
    ))
}
