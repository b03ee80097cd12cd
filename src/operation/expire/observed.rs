//! What lies in the repository of one system identifier, read once.

use std::collections::BTreeMap;

use crate::model::catalog::Summary;
use crate::model::deletion::Hold;
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::plan::retention::{Archive, Plan, WalObject};
use crate::operation::catalog::Catalog;
use crate::operation::hold;
use crate::operation::wal::archived;
use crate::report::expire::Row;
use crate::store::{Entry, Reader};

use super::refuse;

pub struct Observed {
    pub keys: ClusterKeys,
    /// Every one that is there.
    pub backups: Vec<Summary>,
    pub holds: BTreeMap<BackupId, Hold>,
    pub trash: BTreeMap<BackupId, Entry>,
    pub condemned: Vec<Entry>,
    /// Parts of backups, those that were never committed included.
    pub parts: Vec<Entry>,
    pub wal: Archive,
}

impl Observed {
    /// Parts before commit markers: what is committed in between has its marker in view.
    pub fn read(reader: &Reader, keys: ClusterKeys) -> Result<Observed> {
        let mut parts = Vec::new();
        for directory in keys.parts() {
            parts.extend(reader.list(&directory)?);
        }
        let (names, timelines) = wal(reader, &keys)?;
        let trashed = reader.list(&keys.trash())?.into_iter();
        let trash = trashed.filter_map(|entry| Some((keys.trashed_id_of(&entry.key)?, entry))).collect();
        let condemned = reader.list(&keys.condemned())?;
        let holds = hold::read_all(reader, &keys)?;
        let backups = committed(reader, &keys)?;
        let wal = Archive::new(names, &timelines, &backups);
        Ok(Observed { keys, backups, holds, trash, condemned, parts, wal })
    }

    pub fn kept<'o>(&'o self, plan: &Plan) -> Vec<&'o Summary> {
        let dropped: Vec<&BackupId> = plan.dropped().collect();
        self.backups.iter().filter(|backup| !dropped.contains(&&backup.id)).collect()
    }

    pub fn rows(&self, plan: &Plan) -> Vec<Row> {
        let summary = |id: &BackupId| self.backups.iter().find(|backup| backup.id == *id);
        let row = |verdict: &crate::model::plan::retention::Verdict| {
            let rule = verdict.rule.as_ref().map_or("no rule keeps it".to_owned(), ToString::to_string);
            Some(Row::new(summary(&verdict.id)?, verdict.rule.is_some(), rule))
        };
        plan.verdicts.iter().filter_map(row).collect()
    }

    pub fn rows_of_all(&self) -> Vec<Row> {
        let everything = || "everything is kept: there is no [retention]".to_owned();
        self.backups.iter().map(|backup| Row::new(backup, true, everything())).collect()
    }
}

/// A commit marker that cannot be read may need any object, so nothing is deleted beside one.
pub fn committed(reader: &Reader, keys: &ClusterKeys) -> Result<Vec<Summary>> {
    let catalog = Catalog::read(reader, keys)?;
    match catalog.unreadable.first() {
        Some(unreadable) => Err(refuse::unreadable(unreadable)),
        None => Ok(catalog.into_summaries()),
    }
}

type Timelines = BTreeMap<u32, crate::model::timeline::TimelineJson>;

pub fn wal(reader: &Reader, keys: &ClusterKeys) -> Result<(Vec<WalObject>, Timelines)> {
    let (mut objects, mut timelines) = (Vec::new(), BTreeMap::new());
    for entry in reader.list(&keys.wal())? {
        if let Some(name) = keys.wal_name_of(&entry.key) {
            objects.push(WalObject { name, size: entry.size, modified: entry.modified });
        } else if let Some(timeline) = keys.timeline_of(&entry.key) {
            timelines.insert(timeline, archived::timeline_json(reader, &entry.key, timeline)?);
        }
    }
    Ok((objects, timelines))
}
