//! What lies in the repository of one system identifier, read once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::catalog::Summary;
use crate::model::deletion::Hold;
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::plan::retention::{Archive, Input, Plan, Policy};
use crate::operation::catalog::Catalog;
use crate::operation::wal::archived::Listed;
use crate::operation::{drills, hold};
use crate::report::expire::Row;
use crate::store::{Entry, Reader};

use super::{lacking, refuse};

pub struct Observed {
    pub keys: ClusterKeys,
    /// Every one that is there.
    pub backups: Vec<Summary>,
    pub holds: BTreeMap<BackupId, Hold>,
    /// Newest first.
    pub trash: BTreeMap<BackupId, Vec<Entry>>,
    pub condemned: Vec<Entry>,
    /// Parts of backups, those that were never committed included.
    pub parts: Vec<Entry>,
    pub wal: Archive,
    /// The newest that a drill has restored.
    pub proven: Option<BackupId>,
}

impl Observed {
    /// Parts before commit markers: what is committed in between has its marker in view. Holds after them: what was held
    /// before its marker went is seen to be. Trash before and after: what comes back or is dropped meanwhile is in one.
    pub fn read(reader: &Reader, keys: ClusterKeys) -> Result<Observed> {
        let mut parts = Vec::new();
        for directory in keys.parts() {
            parts.extend(reader.list(&directory)?);
        }
        let listed = Listed::read(reader, &keys)?.whole()?;
        let mut trashed = reader.list(&keys.trash())?;
        let condemned = reader.list(&keys.condemned())?;
        let mut backups = committed(reader, &keys)?;
        lacking::mark_backups(reader, &keys, &mut backups, &parts)?;
        let holds = hold::of_backups(reader, &keys)?;
        trashed.extend(reader.list(&keys.trash())?);
        let wal = listed.archive(&backups);
        let mut trash = newest_first(&keys, trashed);
        trash.retain(|id, _| !id.is_dump());
        let proven = drills::newest_proven(reader, &keys, &backups)?;
        Ok(Observed { keys, backups, holds, trash, condemned, parts, wal, proven })
    }

    pub fn is_there(&self, id: &BackupId) -> bool {
        self.backups.iter().any(|backup| backup.id == *id)
    }

    pub fn is_held(&self, id: &BackupId, now: Timestamp) -> bool {
        self.holds.get(id).is_some_and(|hold| hold.counts_at(now))
    }

    pub fn input<'i>(&'i self, policy: &'i Policy, now: Timestamp) -> Input<'i> {
        Input { policy, backups: &self.backups, holds: &self.holds, proven: self.proven.as_ref(), wal: &self.wal, now }
    }

    pub fn kept<'o>(&'o self, plan: &Plan) -> Vec<&'o Summary> {
        let dropped: Vec<&BackupId> = plan.dropped().collect();
        self.backups.iter().filter(|backup| !dropped.contains(&&backup.id)).collect()
    }

    /// Without a plan everything is kept.
    pub fn rows(&self, plan: Option<&Plan>) -> Vec<Row> {
        let Some(plan) = plan else {
            let everything = || "everything is kept: there is no [retention]".to_owned();
            return self.backups.iter().map(|backup| Row::new(backup, true, everything())).collect();
        };
        let summary = |id: &BackupId| self.backups.iter().find(|backup| backup.id == *id);
        let row = |verdict: &crate::model::plan::retention::Verdict| {
            let rule = verdict.rule.as_ref().map_or("no rule keeps it".to_owned(), ToString::to_string);
            Some(Row::new(summary(&verdict.id)?, verdict.rule.is_some(), rule))
        };
        plan.verdicts.iter().filter_map(row).collect()
    }
}

pub fn newest_first(keys: &ClusterKeys, mut entries: Vec<Entry>) -> BTreeMap<BackupId, Vec<Entry>> {
    entries.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.key.cmp(&b.key)));
    entries.dedup();
    let mut trash: BTreeMap<BackupId, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        if let Some(id) = keys.trashed_id_of(&entry.key) {
            trash.entry(id).or_default().push(entry);
        }
    }
    trash
}

/// A commit marker that cannot be read may need any object, so nothing is deleted beside one.
pub fn committed(reader: &Reader, keys: &ClusterKeys) -> Result<Vec<Summary>> {
    let catalog = Catalog::read(reader, keys)?;
    match catalog.unreadable.first() {
        Some(unreadable) => Err(refuse::unreadable(unreadable)),
        None => Ok(catalog.into_summaries()),
    }
}
