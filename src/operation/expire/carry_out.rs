//! The steps, each of which may be the last one of a killed run, and each of which finds done what was done.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Cursor;

use jiff::Timestamp;

use super::condemned;
use super::freed::Freed;
use super::needs::Doomed;
use super::observed::Observed;
use super::trash;
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::plan::retention::{Plan, Policy};
use crate::operation::catalog::read_small;
use crate::operation::hold;
use crate::report::Listener;
use crate::store::{self, Entry, Repository};

pub struct Work<'w> {
    pub repository: &'w Repository,
    /// The earlier of the store's clock and this host's.
    pub now: Timestamp,
    /// No grace time, and where nothing can be written it does without.
    pub at_once: bool,
    pub interrupt: &'w Interrupt,
    pub listener: &'w dyn Listener,
    /// Dropped by this run.
    pub gone: RefCell<HashSet<BackupId>>,
    /// Held meanwhile, but there was no room to put them back.
    owed: RefCell<Vec<(BackupId, Vec<u8>)>>,
}

impl<'w> Work<'w> {
    pub fn new(
        repository: &'w Repository,
        now: Timestamp,
        at_once: bool,
        interrupt: &'w Interrupt,
        listener: &'w dyn Listener,
    ) -> Work<'w> {
        Work { repository, now, at_once, interrupt, listener, gone: RefCell::default(), owed: RefCell::default() }
    }

    pub fn run(&self, observed: &Observed, plan: &Plan, policy: &Policy) -> Result<Freed> {
        let trash = observed.trash.iter().filter(|(id, _)| !observed.is_there(id));
        self.bring_back_held(&observed.keys, trash.filter(|(id, _)| observed.is_held(id, self.now)))?;
        for id in plan.dropped() {
            self.interrupt.check()?;
            self.drop_into_trash(&observed.keys, id)?;
        }
        if hold::has_nobodys(observed, self.now) {
            // As it is now, when every copy sees this run: one may have begun since that relies on a hold.
            hold::sweep(self.repository, &self.observe(&observed.keys)?, self.now)?;
        }
        let mut freed = condemned::purge(self, &observed.keys, policy)?;
        self.pay(&observed.keys)?;
        if !self.at_once {
            freed += condemned::condemn(self, &observed.keys, policy)?;
        }
        Ok(freed)
    }

    /// A run was killed after it had dropped these and before it had seen their holds.
    pub fn bring_back_held<'t>(
        &self,
        keys: &ClusterKeys,
        trash: impl Iterator<Item = (&'t BackupId, &'t Vec<Entry>)>,
    ) -> Result<()> {
        for (id, entries) in trash {
            for entry in entries {
                if let Some(marker) = trash::read(self.repository, keys, &entry.key, id)? {
                    self.put_back_or_owe(keys, id, marker)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// There is room now.
    pub fn pay(&self, keys: &ClusterKeys) -> Result<()> {
        for (id, marker) in self.owed.take() {
            self.put_back(keys, &id, &marker)?;
        }
        Ok(())
    }

    /// The hold is looked for twice: `hold` creates it and then looks for the backup, so one of both sees the other.
    pub fn drop_into_trash(&self, keys: &ClusterKeys, id: &BackupId) -> Result<()> {
        let Some(marker) = read_small(&self.repository.reader(), &keys.marker_of(id))? else { return Ok(()) };
        if self.is_held(keys, id)? {
            return Ok(());
        }
        let trash = keys.trashed(id, rand::random());
        let written = self.create(&trash, &marker);
        let is_written = written.is_ok();
        self.unless_full(written)?;
        self.repository.remover().remove(&keys.marker_of(id))?;
        if self.is_held(keys, id)? {
            // Another run may have emptied the trash before there was a hold, and deletes what the backup needs.
            let is_safe = !is_written || self.repository.reader().stat_if_there(&trash)?.is_some();
            return if is_safe { self.put_back_or_owe(keys, id, marker) } else { Ok(()) };
        }
        self.gone.borrow_mut().insert(id.clone());
        Ok(())
    }

    fn put_back_or_owe(&self, keys: &ClusterKeys, id: &BackupId, marker: Vec<u8>) -> Result<()> {
        match self.put_back(keys, id, &marker) {
            Err(error) if self.does_without(&error) => {
                self.owed.borrow_mut().push((id.clone(), marker));
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// The trash stays: another run may be about to delete the commit marker once more.
    fn put_back(&self, keys: &ClusterKeys, id: &BackupId, marker: &[u8]) -> store::Result<()> {
        self.create(&keys.marker_of(id), marker)?;
        self.listener.notice(format!("{} {id} is held, and was brought back", id.noun()));
        Ok(())
    }

    pub fn create(&self, key: &Key, body: &[u8]) -> store::Result<()> {
        let creator = self.repository.creator();
        match creator.create(key, &mut Cursor::new(body)) {
            Err(store::Error::AlreadyExists { .. }) => creator.persist(key),
            created => created,
        }
    }

    pub fn unless_full(&self, created: store::Result<()>) -> Result<()> {
        match created {
            Err(error) if self.does_without(&error) => Ok(()),
            created => Ok(created?),
        }
    }

    fn does_without(&self, error: &store::Error) -> bool {
        self.at_once && matches!(error, store::Error::NoSpace { .. } | store::Error::Permission { .. })
    }

    pub fn is_held(&self, keys: &ClusterKeys, id: &BackupId) -> Result<bool> {
        let hold = hold::read(&self.repository.reader(), keys, id)?;
        Ok(hold.is_some_and(|hold| hold.counts_at(self.now)))
    }

    pub fn observe(&self, keys: &ClusterKeys) -> Result<Observed> {
        Observed::read(&self.repository.reader(), keys.clone())
    }

    pub fn delete(&self, doomed: &[Doomed], freed: &mut Freed) -> Result<()> {
        let remover = self.repository.remover();
        for one in doomed {
            self.interrupt.check()?;
            if remover.remove(&one.key)? {
                freed.gone.add(one);
            }
        }
        Ok(())
    }
}
