//! Which objects are needed, and which are nobody's.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::observed::Observed;
use super::refuse;
use crate::model::catalog::Summary;
use crate::model::deletion::GRACE;
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::plan::retention::WalObject;
use crate::operation::objects_list;
use crate::store::{Entry, Reader};

/// WAL may have been stored that long before the clock of the database server says that a backup began.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// An object that can go, and what that frees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    pub key: Key,
    pub size: u64,
}

/// Every object that these backups need, WAL left out: their lists name it.
pub fn of<'b>(
    reader: &Reader,
    keys: &ClusterKeys,
    backups: impl IntoIterator<Item = &'b Summary>,
) -> Result<HashSet<Key>> {
    let mut needed = HashSet::new();
    for backup in backups {
        let list = keys.objects(&backup.id);
        let read = objects_list::read(reader, &list, &backup.objects, |line| {
            needed.insert(line.key);
            Ok(())
        });
        read.map_err(|error| refuse::list_unreadable(error, &backup.id))?;
        needed.insert(list);
    }
    Ok(needed)
}

/// What none of `kept` needs and no backup at work has written. Those in `gone` this run has dropped itself.
pub fn garbage(
    reader: &Reader,
    observed: &Observed,
    gone: &HashSet<BackupId>,
    kept: &[&Summary],
    unneeded_wal: &[WalObject],
    now: Timestamp,
) -> Result<Vec<Doomed>> {
    let needed = of(reader, &observed.keys, kept.iter().copied())?;
    let mut at_work = at_work(observed, now);
    at_work.retain(|id, _| !gone.contains(id));
    let is_doomed = |entry: &&Entry| {
        let writer = observed.keys.writer_of(&entry.key);
        !needed.contains(&entry.key) && writer.is_some_and(|writer| !at_work.contains_key(&writer))
    };
    let parts = observed.parts.iter().filter(is_doomed);
    let parts = parts.map(|entry| Doomed { key: entry.key.clone(), size: entry.size });
    // A backup at work needs WAL from its start on, which nobody else knows yet.
    let began = at_work.values().min().copied();
    let wal = unneeded_wal.iter().filter(|object| began.is_none_or(|began| object.modified < began));
    let wal = wal.map(|object| Doomed { key: observed.keys.wal_file(&object.name), size: object.size });
    Ok(parts.chain(wal).collect())
}

/// Backups without a commit marker that wrote something within the grace time, and since when they may need WAL.
fn at_work(observed: &Observed, now: Timestamp) -> BTreeMap<BackupId, Timestamp> {
    let committed: HashSet<&BackupId> = observed.backups.iter().map(|backup| &backup.id).collect();
    let mut at_work: BTreeMap<BackupId, (Timestamp, Timestamp)> = BTreeMap::new();
    for entry in &observed.parts {
        let Some(writer) = observed.keys.writer_of(&entry.key) else { continue };
        if committed.contains(&writer) || observed.trash.contains_key(&writer) {
            continue;
        }
        let times = at_work.entry(writer).or_insert((entry.modified, entry.modified));
        *times = (times.0.min(entry.modified), times.1.max(entry.modified));
    }
    at_work.retain(|_, (_, newest)| now.duration_since(*newest) < GRACE);
    let began = |(id, (oldest, _)): (BackupId, (Timestamp, Timestamp))| {
        let began = id.started().map_or(oldest, |started| started.min(oldest));
        (id, began.checked_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::MIN))
    };
    at_work.into_iter().map(began).collect()
}
