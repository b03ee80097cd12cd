//! What one system identifier has of dumps.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{is_abandoned, is_old};
use crate::model::deletion::Hold;
use crate::model::dump::Marker;
use crate::model::error::{Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::operation::dump::catalog::Dumps;
use crate::operation::expire::lacking;
use crate::operation::expire::observed::newest_first;
use crate::operation::{drills, hold};
use crate::store::{Entry, Reader};

pub struct ObservedDumps {
    pub keys: ClusterKeys,
    /// Oldest first.
    pub dumps: Vec<Marker>,
    /// Of those that are there, whose markers cannot be read: they stay.
    pub unreadable: Vec<(BackupId, Error)>,
    pub holds: BTreeMap<BackupId, Hold>,
    /// Newest first.
    pub trash: BTreeMap<BackupId, Vec<Entry>>,
    /// What dumps consist of, those that were never committed included.
    pub parts: BTreeMap<BackupId, Vec<Entry>>,
    /// The newest that a drill has restored.
    pub proven: Option<BackupId>,
}

impl ObservedDumps {
    /// Parts before markers: what is committed in between has its marker in view. Holds after them: what was held before
    /// its marker went is seen to be. Trash before and after: what comes back or is dropped meanwhile is in one.
    pub fn read(reader: &Reader, keys: ClusterKeys) -> Result<ObservedDumps> {
        let mut parts: BTreeMap<BackupId, Vec<Entry>> = BTreeMap::new();
        for entry in reader.list(&keys.dumps())? {
            if let Some(id) = keys.dump_part_of(&entry.key) {
                parts.entry(id).or_default().push(entry);
            }
        }
        let mut trashed = reader.list(&keys.trash())?;
        let Dumps { mut dumps, unreadable } = Dumps::read(reader, &keys)?;
        lacking::mark_dumps(reader, &keys, &mut dumps, &parts)?;
        let holds = hold::of_dumps(reader, &keys)?;
        trashed.extend(reader.list(&keys.trash())?);
        let mut trash = newest_first(&keys, trashed);
        trash.retain(|id, _| id.is_dump());
        let proven = drills::newest_proven_dump(reader, &keys, &dumps)?;
        Ok(ObservedDumps { keys, dumps, unreadable, holds, trash, parts, proven })
    }

    pub fn is_there(&self, id: &BackupId) -> bool {
        self.dumps.iter().any(|dump| dump.summary.id == *id) || self.unreadable.iter().any(|(other, _)| other == id)
    }

    pub fn is_held(&self, id: &BackupId, now: Timestamp) -> bool {
        self.holds.get(id).is_some_and(|hold| hold.counts_at(now))
    }

    /// What lies there of it is neither a dump's, nor can it become one: the trash that is due is taken to be empty.
    pub fn is_nobodys(&self, id: &BackupId, now: Timestamp, at_once: bool) -> bool {
        let Some(parts) = self.parts.get(id) else { return false };
        let Some(newest) = parts.iter().map(|entry| entry.modified).max() else { return false };
        let list = parts.iter().find(|entry| entry.key == self.keys.dump_objects(id));
        let in_trash = self.trash.get(id).is_some_and(|entries| !at_once && !entries.iter().all(|it| is_old(it, now)));
        let is_known = self.is_there(id) || in_trash || self.is_held(id, now);
        !is_known && is_abandoned(list, newest, now, at_once)
    }
}
