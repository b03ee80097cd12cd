//! Which backups a repository should get.

use std::collections::{BTreeMap, BTreeSet};

use super::{Route, What, marker};
use crate::model::catalog::{CommitMarker, Summary};
use crate::model::deletion::Hold;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::plan::retention::{Archive, Input, Period, Plan};
use crate::model::wal_name::WalName;
use crate::operation::catalog::Catalog;
use crate::operation::hold;
use crate::operation::wal::archived::Listed;

pub struct Choice {
    /// Newest first: of an interrupted copy the newest is worth most.
    pub wanted: Vec<Summary>,
    /// What the destination has already.
    pub there: Vec<Summary>,
    /// What the sources have too.
    pub in_both: Vec<Summary>,
    /// Of the sources and the destination.
    pub archive: Archive,
    pub holds: BTreeMap<BackupId, Hold>,
    /// What the sources have, and the destination with a commit marker that cannot be read.
    pub obscured: Vec<Summary>,
    /// Whose commit marker cannot be read, at the destination or wherever it is.
    pub unreadable: Vec<(BackupId, Error)>,
}

impl Choice {
    /// `failed` could not be brought.
    pub fn new(route: &Route, keys: ClusterKeys, what: &What, failed: &BTreeSet<BackupId>) -> Result<Choice> {
        let (from, to) = (route.from.reader(), route.to.reader());
        let catalog = Catalog::read(&from, &keys)?;
        let present = Catalog::read(&to, &keys)?;
        let unreadable: BTreeSet<&BackupId> = present.unreadable.iter().map(|unreadable| &unreadable.id).collect();
        let trashed = to.list(&keys.trash())?;
        let mut trashed: BTreeSet<BackupId> =
            trashed.iter().filter_map(|entry| keys.trashed_id_of(&entry.key)).collect();
        // What was brought back is held, and its trash stays.
        let kept = hold::of_backups(&to, &keys)?;
        trashed.retain(|id| !kept.get(id).is_some_and(|hold| hold.counts_at(route.now)));
        let holds = hold::of_backups(&from, &keys)?;
        // A backup that is there may rest on WAL that the others have dropped.
        let both = route.from.clone().besides([route.to.clone()]);
        let wal = Listed::read(&both.reader(), &keys)?;
        let archive = wal.archive(catalog.summaries().chain(present.summaries()));
        let is_there = |backup: &Summary| {
            unreadable.contains(&backup.id) || present.summaries().any(|there| there.id == backup.id)
        };
        let there = present.summaries().cloned().collect();
        let in_both = catalog.summaries().filter(|backup| is_there(backup)).cloned().collect();
        let obscured = catalog.summaries().filter(|backup| unreadable.contains(&backup.id)).cloned().collect();
        let unreadable = marker::unreadable(route, &catalog, &present, &trashed);
        let wanted = Vec::new();
        let mut choice = Choice { wanted, there, in_both, archive, holds, obscured, unreadable };
        match what {
            What::One(selector) => {
                // Which one is meant is known; it is of one generation.
                let Ok(CommitMarker { summary: backup, .. }) = catalog.select(selector) else {
                    choice.unreadable.clear();
                    return Ok(choice);
                };
                choice.unreadable.retain(|(id, _)| *id == backup.id);
                if trashed.contains(&backup.id) && !is_there(backup) {
                    return Err(dropped(route, &backup.id));
                }
                choice.wanted.extend((!is_there(backup) && !failed.contains(&backup.id)).then(|| backup.clone()));
            }
            What::All | What::New => {
                let missing = catalog.summaries().filter(|b| !is_there(b) && !trashed.contains(&b.id));
                choice.wanted = missing.filter(|backup| !failed.contains(&backup.id)).cloned().collect();
                choice.keep_one_of_each(route.keep);
                choice.leave_out_what_expires(route);
            }
        }
        choice.wanted.sort_by_key(|backup| std::cmp::Reverse((backup.stopped, backup.id.clone())));
        Ok(choice)
    }

    /// With `keep` the first clean backup of each period, without a clean one the first.
    fn keep_one_of_each(&mut self, keep: Option<Period>) {
        let Some(period) = keep else { return };
        let of = |backup: &Summary| period.of(backup.stopped);
        let mut any: BTreeSet<String> = self.there.iter().map(of).collect();
        let mut clean: BTreeSet<String> = self.there.iter().filter(|b| !b.is_flagged()).map(of).collect();
        self.wanted.sort_by_key(|backup| (backup.is_flagged(), backup.stopped, backup.id.clone()));
        self.wanted.retain(|backup| match backup.is_flagged() {
            true => any.insert(of(backup)),
            false => {
                any.insert(of(backup));
                clean.insert(of(backup))
            }
        });
    }

    /// What expiry would drop there at once is not brought, or it would come and go for ever.
    fn leave_out_what_expires(&mut self, route: &Route) {
        let Some(plan) = self.judged(route, Plan::new) else { return };
        let dropped: BTreeSet<&BackupId> = plan.dropped().collect();
        self.wanted.retain(|backup| !dropped.contains(&backup.id));
    }

    /// Of all that is there or will be: whatever expiry keeps, it keeps the WAL that follows.
    pub fn is_newest(&self, backup: &Summary) -> bool {
        let order = |backup: &Summary| (backup.timeline, backup.start_lsn);
        self.there.iter().chain(&self.wanted).all(|other| order(other) <= order(backup))
    }

    /// WAL that expiry would drop there.
    pub fn unneeded_wal(&self, route: &Route) -> BTreeSet<WalName> {
        let unneeded = self.judged(route, |input| Plan::unneeded_wal_of_all(input, &[]));
        unneeded.into_iter().flatten().map(|object| object.name).collect()
    }

    /// By the destination's retention, once it has what it should; `None` where everything is kept.
    fn judged<T>(&self, route: &Route, judge: impl FnOnce(&Input<'_>) -> T) -> Option<T> {
        let policy = route.retention.as_ref()?;
        let backups: Vec<Summary> = self.there.iter().chain(&self.wanted).cloned().collect();
        // A clock that is ahead must not let anything expire that the last thing archived does not.
        let newest = self.archive.objects().map(|object| object.modified).max();
        let now = newest.map_or(route.now, |newest| newest.min(route.now));
        let (holds, wal) = (&self.holds, &self.archive);
        Some(judge(&Input { policy, backups: &backups, holds, proven: None, wal, now }))
    }
}

pub fn dropped(route: &Route, id: &BackupId) -> Error {
    let name = &route.name;
    Error::new(Code::Conflict, format!("{} {id} was dropped from {name} within the last 7 days", id.noun()))
        .hint(format!("bring it back: pgcairn undelete {id} --repository {name}"))
}
