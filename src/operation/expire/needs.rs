//! Which objects are needed, and which are nobody's.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::observed::Observed;
use super::refuse;
use crate::model::catalog::Summary;
use crate::model::deletion::{COMMIT_OVERDUE, GRACE};
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
    pub is_wal: bool,
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
        if was_deleted(reader, keys, &backup.id)? {
            continue;
        }
        let read = objects_list::read(reader, &list, &backup.objects, |line| {
            needed.insert(line.key);
            Ok(())
        });
        read.map_err(|error| refuse::list_unreadable(error, &backup.id))?;
        needed.insert(list);
    }
    Ok(needed)
}

/// Another run has dropped it meanwhile, and deleted it at once.
fn was_deleted(reader: &Reader, keys: &ClusterKeys, id: &BackupId) -> Result<bool> {
    let is_gone = |key: &Key| reader.stat_if_there(key).map(|stat| stat.is_none());
    Ok(is_gone(&keys.objects(id))? && is_gone(&keys.backup(id))?)
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
    let at_work = at_work(observed, gone, now);
    let is_doomed = |entry: &&Entry| {
        let writer = observed.keys.writer_of(&entry.key);
        !needed.contains(&entry.key) && writer.is_some_and(|writer| !at_work.contains_key(&writer))
    };
    let parts = observed.parts.iter().filter(is_doomed);
    let parts = parts.map(|entry| Doomed { key: entry.key.clone(), size: entry.size, is_wal: false });
    // A backup at work needs WAL from its start on, which nobody else knows yet.
    let began = at_work.values().min().copied();
    let wal = unneeded_wal.iter().filter(|object| began.is_none_or(|began| object.modified < began));
    let doomed =
        |object: &WalObject| Doomed { key: observed.keys.wal_file(&object.name), size: object.size, is_wal: true };
    let wal = wal.map(doomed);
    Ok(parts.chain(wal).collect())
}

/// Backups that may be committed yet, and since when they may need WAL: those that wrote something within the grace
/// time and do not lack their commit marker for too long, and those that are held, which `undelete` may be about to
/// bring back.
fn at_work(observed: &Observed, gone: &HashSet<BackupId>, now: Timestamp) -> BTreeMap<BackupId, Timestamp> {
    let committed: HashSet<&BackupId> = observed.backups.iter().map(|backup| &backup.id).collect();
    let mut times: BTreeMap<BackupId, Times> = BTreeMap::new();
    for entry in &observed.parts {
        let Some(writer) = observed.keys.writer_of(&entry.key) else { continue };
        if committed.contains(&writer) {
            continue;
        }
        let is_list = entry.key == observed.keys.objects(&writer);
        times.entry(writer).or_insert(Times::at(entry.modified)).add(entry.modified, is_list);
    }
    times.retain(|id, times| {
        let is_dropped = observed.trash.contains_key(id) || gone.contains(id);
        times.may_commit(now) && !is_dropped || observed.is_held(id, now)
    });
    let began = |(id, times): (BackupId, Times)| {
        let began = id.started().map_or(times.oldest, |started| started.min(times.oldest));
        (id, began.checked_sub(CLOCKS_DIFFER).unwrap_or(Timestamp::MIN))
    };
    times.into_iter().map(began).collect()
}

/// When the parts of one backup were stored.
struct Times {
    oldest: Timestamp,
    newest: Timestamp,
    list: Option<Timestamp>,
}

impl Times {
    fn at(moment: Timestamp) -> Times {
        Times { oldest: moment, newest: moment, list: None }
    }

    fn add(&mut self, moment: Timestamp, is_list: bool) {
        (self.oldest, self.newest) = (self.oldest.min(moment), self.newest.max(moment));
        self.list = self.list.or(is_list.then_some(moment));
    }

    fn may_commit(&self, now: Timestamp) -> bool {
        let overdue = self.list.is_some_and(|list| now.duration_since(list) >= COMMIT_OVERDUE);
        now.duration_since(self.newest) < GRACE && !overdue
    }
}
