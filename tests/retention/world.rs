//! A repository in memory, backups and WAL as they would lie there, and what was promised about them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, OnceLock};

use jiff::{SignedDuration, Timestamp};
use pgcairn::model::catalog::{ObjectLine, Summary, parse_commit_marker};
use pgcairn::model::deletion::{GRACE, Hold};
use pgcairn::model::error::Result;
use pgcairn::model::interrupt::Interrupt;
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Encryption, Key, PackId};
use pgcairn::model::plan::retention::Policy;
use pgcairn::model::record;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::operation::copy::{Route, What};
use pgcairn::operation::expire::{Place, Policies, Request, undelete};
use pgcairn::operation::hold;
use pgcairn::report::Quiet;
use pgcairn::report::copy::Brought;
use pgcairn::report::expire::Expire;
use pgcairn::store::{Backend, Repository};

use crate::maker::{Maker, SEGMENT, archived, part, push, segment};
use crate::memory::Memory;

/// A backup that is still at work.
#[derive(Debug, Clone)]
pub struct AtWork {
    maker: Maker,
    objects: Vec<ObjectLine>,
}

impl AtWork {
    pub fn id(&self) -> BackupId {
        self.maker.id.clone()
    }
}

#[derive(Debug)]
pub struct World {
    pub store: Arc<Memory>,
    pub keys: ClusterKeys,
    pub policy: Policy,
    /// Where WAL is archived to.
    archives: Vec<Arc<Memory>>,
    /// Where backups are copied to: from when on it has all, and which WAL; once a copy has said so.
    copied: Option<(Timestamp, u64)>,
    is_first: bool,
    next_segment: Arc<Mutex<u64>>,
    number: u32,
    /// Every backup that was ever committed.
    pub committed: BTreeMap<BackupId, Summary>,
    /// What was put into the trash, and when.
    trashed: BTreeMap<BackupId, Timestamp>,
    pub held: BTreeSet<BackupId>,
}

/// An empty one. To make one takes many threads, so it is made once.
pub fn repository_at(now: Timestamp) -> Arc<Memory> {
    static MARKER: OnceLock<Vec<u8>> = OnceLock::new();
    let marker = MARKER.get_or_init(|| {
        let made = Arc::new(Memory::default());
        Repository::create_on(made.clone(), Encryption::None).unwrap();
        made.get_range(&Key::marker(), 0..u64::MAX).unwrap()
    });
    let store = Arc::new(Memory::at(now));
    store.create(&Key::marker(), &mut Cursor::new(marker)).unwrap();
    store
}

impl World {
    pub fn new(policy: Policy) -> World {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let store = repository_at(now);
        let keys = ClusterKeys::new(&ClusterName::new("main").unwrap(), 7, Encryption::None);
        World::of(store, keys, policy, Arc::new(Mutex::new(1)))
    }

    fn of(store: Arc<Memory>, keys: ClusterKeys, policy: Policy, next_segment: Arc<Mutex<u64>>) -> World {
        let (committed, trashed, held) = Default::default();
        let (archives, copied, is_first, number) = (vec![store.clone()], None, true, 0);
        World { store, keys, policy, archives, copied, is_first, next_segment, number, committed, trashed, held }
    }

    /// Another repository of the same cluster, which backups are copied to, and WAL archived or not.
    pub fn beside(&mut self, policy: Policy, is_archived_to: bool) -> World {
        let store = repository_at(self.now());
        if is_archived_to {
            self.archives.push(store.clone());
        }
        World { is_first: false, ..World::of(store, self.keys.clone(), policy, self.next_segment.clone()) }
    }

    /// The same cluster after `pg_upgrade`: another system identifier in the same repository.
    pub fn upgraded(&self) -> World {
        let keys = ClusterKeys::new(&ClusterName::new("main").unwrap(), 8, Encryption::None);
        World::of(self.store.clone(), keys, self.policy.clone(), Arc::new(Mutex::new(1)))
    }

    pub fn now(&self) -> Timestamp {
        self.store.now()
    }

    pub fn pass(&self, span: SignedDuration) {
        self.store.pass(span);
    }

    pub fn repository(&self, over: Arc<dyn Backend>) -> Result<Repository> {
        Ok(Repository::open_on(over, None)?)
    }

    pub fn push(&self) -> u64 {
        push(&self.archives, &self.keys, &self.next_segment)
    }

    /// What another thread makes a backup with.
    pub fn maker(&mut self, over: Arc<dyn Backend>) -> Maker {
        self.number += 1;
        let start = self.now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let id = BackupId::new(&start, "full", self.number).unwrap();
        let first = *self.next_segment.lock().unwrap();
        let (store, keys, next_segment) = (self.store.clone(), self.keys.clone(), self.next_segment.clone());
        Maker { id, store, over, keys, first, archives: self.archives.clone(), next_segment, listed: Arc::default() }
    }

    pub fn begin(&mut self) -> AtWork {
        let maker = self.maker(self.store.clone());
        let objects = maker.parts().unwrap();
        AtWork { maker, objects }
    }

    pub fn finish(&mut self, work: AtWork) -> Option<BackupId> {
        let id = work.maker.id.clone();
        let summary = work.maker.commit(&work.objects).ok()?;
        self.committed.insert(id.clone(), summary);
        Some(id)
    }

    pub fn backup(&mut self) -> BackupId {
        let work = self.begin();
        self.finish(work).unwrap()
    }

    pub fn is_there(&self, key: &Key) -> bool {
        self.store.stat(key).is_ok()
    }

    pub fn there(&self) -> Vec<BackupId> {
        self.committed.keys().filter(|id| self.is_there(&self.keys.backup(id))).cloned().collect()
    }

    pub fn hand(&self, over: Arc<dyn Backend>) -> Hand {
        Hand { store: self.store.clone(), over, keys: self.keys.clone(), policy: self.policy.clone() }
    }

    /// Through `over`, with this host's clock `ahead` of the store's.
    pub fn expire(&self, over: Arc<dyn Backend>, request: Request, ahead: SignedDuration) -> Result<Expire> {
        self.hand(over).expire(request, ahead)
    }

    pub fn hold(&self, over: Arc<dyn Backend>, id: &BackupId) -> Result<()> {
        self.hand(over).hold(id)
    }

    pub fn undelete(&self, over: Arc<dyn Backend>, id: &BackupId) -> Result<Timestamp> {
        self.hand(over).undelete(id)
    }

    /// Of a backup that lacks its commit marker alone, when its list of objects was stored.
    pub fn last_listed(&self) -> Option<Timestamp> {
        self.last_complete().and_then(|id| Some(self.store.stat(&self.keys.objects(&id)).ok()?.modified))
    }

    /// The last backup that lacks its commit marker, and at most its list of objects, but no part.
    pub fn last_complete(&self) -> Option<BackupId> {
        let packs = self.keys.parts().into_iter().flat_map(|directory| self.store.list(&directory).unwrap());
        let pending = packs.filter_map(|entry| self.keys.writer_of(&entry.key));
        let is_complete = |id: &BackupId| {
            self.parts_of(id).iter().all(|key| self.is_there(key)) && !self.is_there(&self.keys.backup(id))
        };
        pending.filter(is_complete).max()
    }

    fn parts_of(&self, id: &BackupId) -> [Key; 3] {
        let pack = PackId { backup: id.clone(), number: 1 };
        [self.keys.digests(id, 1), self.keys.manifest(id, 1), self.keys.pack(&pack)]
    }

    fn content(&self, key: &Key) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.store.get(key).ok()?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    pub fn hold_of(&self, key: &Key, id: &BackupId) -> Option<Hold> {
        Some(Hold::parse(&self.content(key)?, id).unwrap())
    }

    /// Takes note of backups that another thread has committed.
    pub fn adopt(&mut self) {
        for entry in self.store.list(&self.keys.backups()).unwrap() {
            let id = self.keys.backup_id_of(&entry.key).unwrap();
            if !self.committed.contains_key(&id) {
                let bytes = self.content(&entry.key).unwrap();
                self.committed.insert(id.clone(), parse_commit_marker(&bytes, &entry.key).unwrap().summary);
            }
        }
    }

    /// Of what is no backup and none of `others`.
    pub fn check_that_no_part_is_left_over(&self, others: &[BackupId]) {
        let there = self.there();
        for directory in self.keys.parts() {
            for entry in self.store.list(&directory).unwrap() {
                let writer = self.keys.writer_of(&entry.key).unwrap();
                assert!(there.contains(&writer) || others.contains(&writer), "{} is left over", entry.key);
            }
        }
    }

    /// A hold whose maker died at once.
    pub fn hold_unseen(&self, id: &BackupId) {
        let created = self.now();
        let hold = Hold { format: 1, backup: id.clone(), reason: "x".to_owned(), created, until: None };
        self.store.create(&self.keys.hold(id), &mut Cursor::new(record::to_line(&hold))).unwrap();
    }

    /// Long after all work: what belongs to backups that are there, and nothing else.
    pub fn check_nothing_is_left_over(&self) {
        let there = self.there();
        self.check_that_no_part_is_left_over(&[]);
        for directory in [self.keys.trash(), self.keys.condemned(), self.keys.runs()] {
            let left: Vec<_> = self.store.list(&directory).unwrap();
            assert!(left.is_empty(), "{left:?}");
        }
        for entry in self.store.list(&self.keys.holds()).unwrap() {
            assert!(there.contains(&self.keys.held_by(&entry.key).unwrap()), "{} is left over", entry.key);
        }
    }

    /// Remembers what a run with grace has dropped just now, and what is back.
    pub fn note_trash(&mut self, before: &[BackupId]) {
        let there = self.there();
        // A run may stand still after it has put the marker into the trash and before it has dropped the backup.
        let since = |id: &BackupId| {
            let entries = self.store.list(&self.keys.trash()).unwrap().into_iter();
            entries.filter(|entry| self.keys.trashed_id_of(&entry.key).as_ref() == Some(id)).map(|e| e.modified).max()
        };
        let dropped = before.iter().filter(|id| !there.contains(id)).cloned();
        let dropped: Vec<_> = dropped.map(|id| (since(&id).unwrap_or(self.now()), id)).collect();
        self.trashed.extend(dropped.into_iter().map(|(since, id)| (id, since)));
        self.trashed.retain(|id, _| !there.contains(id));
    }

    pub fn note_emptied_trash(&mut self) {
        self.trashed.clear();
    }

    pub fn can_be_brought_back(&self, id: &BackupId) -> bool {
        self.trashed.get(id).is_some_and(|since| self.now().duration_since(*since) < GRACE)
    }

    pub fn trash(&self) -> Vec<BackupId> {
        let there = self.there();
        let ids = self.store.list(&self.keys.trash()).unwrap().into_iter();
        let ids: BTreeSet<_> = ids.filter_map(|entry| self.keys.trashed_id_of(&entry.key)).collect();
        ids.into_iter().filter(|id| !there.contains(id)).collect()
    }

    /// Panics where a promise is broken.
    pub fn check(&self, step: &str) {
        let there = self.there();
        for id in &there {
            self.check_restorable(id, step);
        }
        for id in &self.held {
            assert!(there.contains(id), "{step}: {id} is held and gone");
        }
        for (id, _) in self.trashed.iter().filter(|(_, dropped)| self.now().duration_since(**dropped) < GRACE) {
            assert!(self.trash().contains(id), "{step}: {id} cannot be brought back");
            self.check_restorable(id, step);
        }
        let least = self.committed.len().min(self.policy.minimum as usize);
        assert!(there.len() >= least, "{step}: {} backups are left", there.len());
        self.check_window(&there, step);
    }

    /// From this repository alone.
    pub fn check_restorable(&self, id: &BackupId, step: &str) {
        let summary = &self.committed[id];
        let content = |key: &Key| self.content(key).unwrap_or_else(|| panic!("{step}: {id} needs {key}"));
        self.parts_of(id).iter().for_each(|key| assert!(content(key) == part(key), "{step}: {key} is damaged"));
        let list = Sha256Sum::of(&content(&self.keys.objects(id)));
        assert_eq!(list, summary.objects.sha256, "{step}: the list of {id} is damaged");
        for number in summary.start_lsn.0 / SEGMENT..=summary.stop_lsn.0 / SEGMENT {
            let key = segment(&self.keys, number);
            assert!(content(&key) == archived(&key), "{step}: {key} is damaged");
        }
        let key = self.keys.backup(id);
        if let Some(marker) = self.content(&key) {
            let found = parse_commit_marker(&marker, &key).map(|marker| marker.summary);
            assert_eq!(found.as_ref(), Ok(summary), "{step}");
        }
    }

    /// From some backup of before the window, or from the first there was, on all WAL is there.
    fn check_window(&self, there: &[BackupId], step: &str) {
        let edge = self.now().checked_sub(self.policy.recovery_window).unwrap();
        let promised = match self.is_first {
            true => self.committed.values().map(|b| b.stopped).min().map(|first| (first, self.next_segment())),
            false => self.copied,
        };
        let Some((first, end)) = promised else { return };
        let is_before = |id: &&BackupId| self.committed[*id].stopped <= edge.max(first);
        let begins = there.iter().filter(is_before).any(|id| self.leads_on(id, end));
        assert!(begins, "{step}: the window does not begin at {edge}");
    }

    pub fn next_segment(&self) -> u64 {
        *self.next_segment.lock().unwrap()
    }

    fn leads_on(&self, id: &BackupId, end: u64) -> bool {
        let first = self.committed[id].start_lsn.0 / SEGMENT;
        (first..end).all(|number| self.is_there(&segment(&self.keys, number)))
    }

    pub fn has_copied(&self) -> bool {
        self.copied.is_some()
    }

    /// A copy has come to its end that began when there was WAL up to `end`: what it has brought is relied on.
    pub fn note_copied(&mut self, end: u64) {
        let there = self.there();
        let first = there.iter().filter(|id| self.leads_on(id, end)).map(|id| self.committed[id].stopped).min();
        self.copied = first.map(|first| (first, end));
    }
}

/// What a host does its work with.
pub struct Hand {
    store: Arc<Memory>,
    over: Arc<dyn Backend>,
    keys: ClusterKeys,
    policy: Policy,
}

impl Hand {
    fn repository(&self) -> Result<Repository> {
        Ok(Repository::open_on(self.over.clone(), None)?)
    }

    pub fn expire(&self, request: Request, ahead: SignedDuration) -> Result<Expire> {
        let (repository, now) = (self.repository()?, self.store.now() + ahead);
        let place = Place { repository, cluster: None, now, interrupt: Interrupt::default() };
        place.expire(Policies { backups: Some(&self.policy), dumps: None }, &request, &Quiet)
    }

    pub fn hold(&self, id: &BackupId) -> Result<()> {
        let created = self.store.now();
        let hold = Hold { format: 1, backup: id.clone(), reason: "x".to_owned(), created, until: None };
        hold::place(&self.repository()?, &self.keys, &hold)
    }

    pub fn undelete(&self, id: &BackupId) -> Result<Timestamp> {
        Ok(undelete::bring_back(&self.repository()?, &self.keys, id, self.store.now())?.0)
    }

    /// Into the repository of this hand, by its policy.
    pub fn copy(&self, from: Arc<dyn Backend>, what: &What, ahead: SignedDuration) -> Result<Brought> {
        let route = Route {
            from: Repository::open_on(from, None)?,
            to: self.repository()?,
            sources: "others".to_owned(),
            name: "offsite".to_owned(),
            cluster: None,
            keep: None,
            retention: Some(self.policy.clone()),
            dump_retention: None,
            jobs: 1,
            now: self.store.now() + ahead,
            interrupt: Interrupt::default(),
        };
        route.bring(what, &Quiet)
    }
}
