//! The steps, each of which may be the last one of a killed run, and each of which finds done what was done.

use std::collections::HashSet;
use std::io::Cursor;
use std::ops::AddAssign;

use jiff::{SignedDuration, Timestamp};

use super::needs::{self, Doomed};
use super::observed::Observed;
use super::{condemned, needs::garbage};
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::plan::retention::{Input, Plan, Policy, WalObject};
use crate::operation::catalog::read_small;
use crate::operation::hold;
use crate::report::Listener;
use crate::store::{self, Repository};

/// Older trash of a backup that is there is left over from a run that was killed. Younger it may be another run's,
/// which is about to delete the commit marker.
const LEFT_OVER: SignedDuration = SignedDuration::from_hours(24);

/// Bytes that are gone, and bytes that will be after the grace time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    pub freed: u64,
    pub condemned: u64,
}

impl Freed {
    pub fn add(&mut self, doomed: &[Doomed], at_once: bool) {
        let bytes: u64 = doomed.iter().map(|doomed| doomed.size).sum();
        if at_once { self.freed += bytes } else { self.condemned += bytes }
    }
}

impl AddAssign for Freed {
    fn add_assign(&mut self, other: Freed) {
        self.freed += other.freed;
        self.condemned += other.condemned;
    }
}

pub struct Work<'w> {
    pub repository: &'w Repository,
    pub policy: &'w Policy,
    /// The earlier of the store's clock and this host's.
    pub now: Timestamp,
    pub interrupt: &'w Interrupt,
    pub listener: &'w dyn Listener,
}

impl Work<'_> {
    pub fn with_grace(&self, observed: &Observed, plan: &Plan) -> Result<Freed> {
        self.bring_back_held(observed)?;
        for id in plan.dropped() {
            self.interrupt.check()?;
            self.drop_into_trash(&observed.keys, observed, id)?;
        }
        let freed = condemned::purge(self, &observed.keys)?;
        let condemned = condemned::condemn(self, &observed.keys)?;
        Ok(Freed { freed, condemned })
    }

    /// A run was killed after it had dropped a backup and before it had seen the hold.
    fn bring_back_held(&self, observed: &Observed) -> Result<()> {
        let is_there = |id: &BackupId| observed.backups.iter().any(|backup| backup.id == *id);
        for id in observed.trash.keys().filter(|id| !is_there(id)) {
            if observed.holds.get(id).is_some_and(|hold| hold.counts_at(self.now))
                && let Some(marker) = read_small(&self.repository.reader(), &observed.keys.trashed(id))?
            {
                self.put_back(&observed.keys, id, &marker)?;
            }
        }
        Ok(())
    }

    fn drop_into_trash(&self, keys: &ClusterKeys, observed: &Observed, id: &BackupId) -> Result<()> {
        let (reader, remover) = (self.repository.reader(), self.repository.remover());
        let Some(marker) = read_small(&reader, &keys.backup(id))? else { return Ok(()) };
        if self.is_held(keys, id)? {
            return Ok(());
        }
        let left_over = |modified: Timestamp| self.now.duration_since(modified) > LEFT_OVER;
        if observed.trash.get(id).is_some_and(|entry| left_over(entry.modified)) {
            remover.remove(&keys.trashed(id))?;
        }
        self.put_into_trash(keys, id, &marker)?;
        remover.remove(&keys.backup(id))?;
        if self.is_held(keys, id)? {
            return self.put_back(keys, id, &marker);
        }
        // Another run may have taken it for left over.
        match read_small(&reader, &keys.trashed(id))? {
            Some(_) => Ok(()),
            None => self.put_into_trash(keys, id, &marker),
        }
    }

    fn put_into_trash(&self, keys: &ClusterKeys, id: &BackupId, marker: &[u8]) -> Result<()> {
        let key = keys.trashed(id);
        if read_small(&self.repository.reader(), &key)?.is_some_and(|there| there != marker) {
            self.repository.remover().remove(&key)?;
        }
        self.create(&key, marker)
    }

    fn put_back(&self, keys: &ClusterKeys, id: &BackupId, marker: &[u8]) -> Result<()> {
        self.create(&keys.backup(id), marker)?;
        self.listener.notice(format!("backup {id} is held, and was brought back"));
        self.repository.remover().remove(&keys.trashed(id)).map(drop)?;
        Ok(())
    }

    fn create(&self, key: &Key, body: &[u8]) -> Result<()> {
        let creator = self.repository.creator();
        match creator.create(key, &mut Cursor::new(body)) {
            Err(store::Error::AlreadyExists { .. }) => Ok(creator.persist(key)?),
            created => Ok(created?),
        }
    }

    fn is_held(&self, keys: &ClusterKeys, id: &BackupId) -> Result<bool> {
        let hold = hold::read(&self.repository.reader(), keys, id)?;
        Ok(hold.is_some_and(|hold| hold.counts_at(self.now)))
    }

    /// Deletes alone: nothing needs to be written for it.
    pub fn at_once(&self, observed: &Observed, plan: &Plan) -> Result<Freed> {
        let (keys, remover) = (&observed.keys, self.repository.remover());
        let mut gone: HashSet<BackupId> = observed.trash.keys().cloned().collect();
        for id in plan.dropped() {
            if !self.is_held(keys, id)? {
                remover.remove(&keys.backup(id))?;
                gone.insert(id.clone());
            }
        }
        for id in observed.trash.keys() {
            remover.remove(&keys.trashed(id))?;
        }
        let after = self.observe(keys)?;
        let kept: Vec<_> = after.backups.iter().collect();
        let wal = self.unneeded_wal(&after, &[]);
        let doomed = garbage(&self.repository.reader(), &after, &gone, &kept, &wal, self.now)?;
        let freed = self.delete(&doomed)?;
        for entry in &observed.condemned {
            remover.remove(&entry.key)?;
        }
        Ok(Freed { freed, condemned: 0 })
    }

    pub fn observe(&self, keys: &ClusterKeys) -> Result<Observed> {
        Observed::read(&self.repository.reader(), keys.clone())
    }

    pub fn unneeded_wal(&self, observed: &Observed, besides: &[crate::model::catalog::Summary]) -> Vec<WalObject> {
        let Observed { backups, holds, wal, .. } = observed;
        let input = Input { policy: self.policy, backups, holds, proven: None, wal, now: self.now };
        Plan::unneeded_wal_of_all(&input, besides)
    }

    /// The list of a backup's objects goes after what it names: it tells a person what is left.
    pub fn delete(&self, doomed: &[needs::Doomed]) -> Result<u64> {
        let remover = self.repository.remover();
        let mut freed = 0;
        for Doomed { key, size } in doomed {
            self.interrupt.check()?;
            if remover.remove(key)? {
                freed += size;
            }
        }
        Ok(freed)
    }
}
