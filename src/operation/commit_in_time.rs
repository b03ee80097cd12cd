//! A backup or dump commits only what is there still. Expiry takes a run that stood still for a grace time, such as on a
//! suspended machine, for a dead one; and one that has a list and no commit marker for dropped.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::catalog::ObjectLine;
use crate::model::deletion::{COMMIT_WITHIN, LONGEST_SILENCE};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::store::Reader;

/// After the list of objects was stored: by the store's clock, which expiry goes by.
pub fn still_there(reader: &Reader, keys: &ClusterKeys, id: &BackupId, objects: &[ObjectLine]) -> Result<()> {
    let (list, directories) = match id.is_dump() {
        true => (keys.dump_objects(id), vec![keys.dump_directory(id)]),
        false => (keys.objects(id), keys.parts_of(id).to_vec()),
    };
    let writer = |key: &Key| keys.writer_of(key).or_else(|| keys.dump_part_of(key));
    let own = objects.iter().filter(|object| writer(&object.key).as_ref() == Some(id));
    let mut missing: HashMap<&Key, u64> = own.map(|object| (&object.key, object.size)).collect();
    let mut stored = vec![reader.stat(&list)?.modified];
    for directory in directories {
        for entry in reader.list(&directory)? {
            stored.push(entry.modified);
            if missing.get(&entry.key) == Some(&entry.size) {
                missing.remove(&entry.key);
            }
        }
    }
    if let Some(key) = missing.into_keys().min() {
        return Err(too_late(id, &format!("{key} was deleted meanwhile")));
    }
    let silence = longest_silence(stored);
    match silence >= LONGEST_SILENCE {
        true => Err(too_late(id, &format!("for {} days it stored nothing", (silence.as_hours() + 12) / 24))),
        false => Ok(()),
    }
}

fn longest_silence(mut stored: Vec<Timestamp>) -> SignedDuration {
    stored.sort_unstable();
    let silences = stored.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    silences.max().unwrap_or(SignedDuration::ZERO)
}

/// Right before the commit marker; `listed` is when the list was stored, by the same clock.
pub fn not_overdue(id: &BackupId, listed: Timestamp, now: Timestamp) -> Result<()> {
    match now.duration_since(listed) > COMMIT_WITHIN {
        true => Err(too_late(id, "the repository took more than 30 minutes for its last objects")),
        false => Ok(()),
    }
}

fn too_late(id: &BackupId, why: &str) -> Error {
    let (code, noun) = (if id.is_dump() { Code::Dump } else { Code::BackupSession }, id.noun());
    Error::new(code, format!("{noun} {id} cannot be committed any more: {why}"))
        .hint(format!("make another one: pgcairn {noun}"))
}
