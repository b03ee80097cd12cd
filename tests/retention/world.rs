//! A repository in memory, backups and WAL as they would lie there, and what was promised about them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use pgcairn::codec::FrameCompressor;
use pgcairn::model::catalog::{
    Environment, FORMAT, Flagged, Method, ObjectLine, ObjectsDigest, ServerFacts, Summary, Tolerated, Totals,
    format_commit_marker, parse_commit_marker,
};
use pgcairn::model::deletion::{GRACE, Hold};
use pgcairn::model::error::Result;
use pgcairn::model::interrupt::Interrupt;
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Encryption, Key, PackId};
use pgcairn::model::lsn::Lsn;
use pgcairn::model::plan::retention::Policy;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::model::wal_name::Segment;
use pgcairn::operation::expire::{Place, Request, undelete};
use pgcairn::operation::hold;
use pgcairn::report::Quiet;
use pgcairn::report::expire::Expire;
use pgcairn::store::{self, Backend, Entry, ReadSeek, Repository, Stat};

use crate::memory::Memory;

const SEGMENT: u64 = 16 << 20;

/// The store's own clock, which tells when an object was stored.
#[derive(Debug)]
pub struct Clocked {
    below: Memory,
    now: Mutex<Timestamp>,
    times: Mutex<BTreeMap<Key, Timestamp>>,
}

impl Clocked {
    fn time(&self, key: &Key) -> Timestamp {
        self.times.lock().unwrap().get(key).copied().unwrap_or(Timestamp::MIN)
    }
}

impl Backend for Clocked {
    fn url(&self) -> &str {
        "memory:"
    }

    fn get(&self, key: &Key) -> store::Result<Box<dyn Read + Send>> {
        self.below.get(key)
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> store::Result<Vec<u8>> {
        self.below.get_range(key, range)
    }

    fn open(&self, key: &Key) -> store::Result<Box<dyn ReadSeek + Send>> {
        self.below.open(key)
    }

    fn stat(&self, key: &Key) -> store::Result<Stat> {
        Ok(Stat { modified: self.time(key), ..self.below.stat(key)? })
    }

    fn list(&self, prefix: &str) -> store::Result<Vec<Entry>> {
        let entries = self.below.list(prefix)?.into_iter();
        Ok(entries.map(|entry| Entry { modified: self.time(&entry.key), ..entry }).collect())
    }

    fn children(&self, directory: &str) -> store::Result<Vec<String>> {
        self.below.children(directory)
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> store::Result<()> {
        self.below.create(key, body)?;
        self.times.lock().unwrap().insert(key.clone(), *self.now.lock().unwrap());
        Ok(())
    }

    fn persist(&self, key: &Key) -> store::Result<()> {
        self.below.persist(key)
    }

    fn delete(&self, key: &Key) -> store::Result<()> {
        self.below.delete(key)
    }
}

/// A backup that is still at work.
#[derive(Debug, Clone)]
pub struct AtWork {
    id: BackupId,
    first: u64,
    objects: Vec<ObjectLine>,
}

#[derive(Debug)]
pub struct World {
    pub store: Arc<Clocked>,
    pub keys: ClusterKeys,
    pub policy: Policy,
    next_segment: u64,
    number: u32,
    /// Every backup that was ever committed.
    pub committed: BTreeMap<BackupId, Summary>,
    /// What was put into the trash, and when.
    trashed: BTreeMap<BackupId, Timestamp>,
    pub held: BTreeSet<BackupId>,
}

impl World {
    pub fn new(policy: Policy) -> World {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let store = Clocked { below: Memory::default(), now: Mutex::new(now), times: Mutex::default() };
        let store = Arc::new(store);
        Repository::create_on(store.clone(), Encryption::None).unwrap();
        let keys = ClusterKeys::new(&ClusterName::new("main").unwrap(), 7, Encryption::None);
        let (committed, trashed, held) = Default::default();
        World { store, keys, policy, next_segment: 1, number: 0, committed, trashed, held }
    }

    pub fn now(&self) -> Timestamp {
        *self.store.now.lock().unwrap()
    }

    pub fn pass(&self, span: SignedDuration) {
        *self.store.now.lock().unwrap() += span;
    }

    pub fn repository(&self, over: Arc<dyn Backend>) -> Result<Repository> {
        Ok(Repository::open_on(over, None)?)
    }

    fn put(&self, key: &Key, body: &[u8]) {
        let repository = self.repository(self.store.clone()).unwrap();
        repository.creator().create(key, &mut Cursor::new(body)).unwrap();
    }

    fn segment(&self, number: u64) -> Key {
        self.keys.segment(Segment { timeline: 1, number }.name(SEGMENT))
    }

    pub fn push(&mut self) {
        self.put(&self.segment(self.next_segment), b"wal");
        self.next_segment += 1;
    }

    pub fn begin(&mut self) -> AtWork {
        self.number += 1;
        let start = self.now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let id = BackupId::new(&start, "full", self.number).unwrap();
        let keys = [
            self.keys.digests(&id, 1),
            self.keys.manifest(&id, 1),
            self.keys.pack(&PackId { backup: id.clone(), number: 1 }),
        ];
        let line = |key: &Key| ObjectLine { key: key.clone(), size: 4, sha256: Sha256Sum::of(b"body") };
        keys.iter().for_each(|key| self.put(key, b"body"));
        AtWork { id, first: self.next_segment, objects: keys.iter().map(line).collect() }
    }

    /// Commits, if its WAL is there: so much a backup looks for itself.
    pub fn finish(&mut self, work: AtWork) -> Option<BackupId> {
        self.push();
        let last = self.next_segment - 1;
        if !(work.first..=last).all(|number| self.is_there(&self.segment(number))) {
            return None;
        }
        let line = |object: &ObjectLine| {
            serde_json::to_string(object).unwrap()
                + "
"
        };
        let lines: String = work.objects.iter().map(line).collect();
        let mut list = Vec::new();
        FrameCompressor::new(1).unwrap().compress(lines.as_bytes(), &mut list).unwrap();
        self.put(&self.keys.objects(&work.id), &list);
        let summary = self.summary(&work, &list, last);
        self.put(&self.keys.backup(&work.id), &format_commit_marker(&summary, None).unwrap());
        self.committed.insert(work.id.clone(), summary);
        Some(work.id)
    }

    pub fn backup(&mut self) -> BackupId {
        let work = self.begin();
        self.finish(work).unwrap()
    }

    fn summary(&self, work: &AtWork, list: &[u8], last: u64) -> Summary {
        Summary {
            format: FORMAT,
            minimum_reader: FORMAT,
            id: work.id.clone(),
            cluster: ClusterName::new("main").unwrap(),
            system_identifier: 7,
            method: Method::Full,
            labels: BTreeMap::new(),
            postgresql: ServerFacts {
                version: 180_001,
                catalog_version: 1,
                wal_segment_size: SEGMENT,
                block_size: 8192,
                data_checksums: true,
            },
            timeline: 1,
            start_lsn: Lsn(work.first * SEGMENT + 40),
            stop_lsn: Lsn(last * SEGMENT + 400),
            started: self.now(),
            stopped: self.now(),
            standby: false,
            parts: 1,
            objects: ObjectsDigest { size: list.len() as u64, sha256: Sha256Sum::of(list) },
            totals: Totals::default(),
            tolerated: Tolerated::default(),
            flagged: Flagged::default(),
            wal_broken_at: None,
            environment: Environment::default(),
            recipients: Vec::new(),
            pgcairn: String::new(),
        }
    }

    pub fn is_there(&self, key: &Key) -> bool {
        self.store.stat(key).is_ok()
    }

    pub fn there(&self) -> Vec<BackupId> {
        self.committed.keys().filter(|id| self.is_there(&self.keys.backup(id))).cloned().collect()
    }

    /// Through `over`, with this host's clock `ahead` of the store's.
    pub fn expire(&self, over: Arc<dyn Backend>, request: Request, ahead: SignedDuration) -> Result<Expire> {
        let repository = self.repository(over)?;
        let place = Place { repository, cluster: None, now: self.now() + ahead, interrupt: Interrupt::default() };
        place.expire(Some(&self.policy), &request, &Quiet)
    }

    pub fn hold(&self, over: Arc<dyn Backend>, id: &BackupId) -> Result<()> {
        let hold = Hold { format: 1, backup: id.clone(), reason: "x".to_owned(), created: self.now(), until: None };
        hold::place(&self.repository(over)?, &self.keys, &hold)
    }

    pub fn undelete(&self, over: Arc<dyn Backend>, id: &BackupId) -> Result<Summary> {
        undelete::bring_back(&self.repository(over)?, &self.keys, id)
    }

    /// Remembers what a run with grace has dropped just now, and what is back.
    pub fn note_trash(&mut self, before: &[BackupId]) {
        let there = self.there();
        let now = self.now();
        let dropped = before.iter().filter(|id| !there.contains(id)).cloned();
        self.trashed.extend(dropped.map(|id| (id, now)));
        self.trashed.retain(|id, _| !there.contains(id));
    }

    pub fn note_emptied_trash(&mut self) {
        self.trashed.clear();
    }

    pub fn trash(&self) -> Vec<BackupId> {
        self.committed.keys().filter(|id| self.is_there(&self.keys.trashed(id))).cloned().collect()
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
            assert!(self.is_there(&self.keys.trashed(id)), "{step}: {id} cannot be brought back");
            self.check_restorable(id, step);
        }
        let least = self.committed.len().min(self.policy.minimum as usize);
        assert!(there.len() >= least, "{step}: {} backups are left", there.len());
        self.check_window(&there, step);
    }

    fn check_restorable(&self, id: &BackupId, step: &str) {
        let summary = &self.committed[id];
        let parts = [
            self.keys.digests(id, 1),
            self.keys.manifest(id, 1),
            self.keys.pack(&PackId { backup: id.clone(), number: 1 }),
            self.keys.objects(id),
        ];
        let wal = (summary.start_lsn.0 / SEGMENT..=summary.stop_lsn.0 / SEGMENT).map(|number| self.segment(number));
        for key in parts.into_iter().chain(wal) {
            assert!(self.is_there(&key), "{step}: {id} needs {key}");
        }
        let key = self.keys.backup(id);
        if let Ok(mut marker) = self.store.get(&key) {
            let mut bytes = Vec::new();
            marker.read_to_end(&mut bytes).unwrap();
            assert_eq!(
                parse_commit_marker(&bytes, &self.keys.backup(id)).map(|marker| marker.summary).as_ref(),
                Ok(summary),
                "{step}"
            );
        }
    }

    /// From some backup of before the window, or from the first there was, on all WAL is there.
    fn check_window(&self, there: &[BackupId], step: &str) {
        let edge = self.now().checked_sub(self.policy.recovery_window).unwrap();
        let Some(first) = self.committed.values().map(|backup| backup.stopped).min() else { return };
        let leads_on = |id: &&BackupId| {
            let summary = &self.committed[*id];
            let first_segment = summary.start_lsn.0 / SEGMENT;
            summary.stopped <= edge.max(first)
                && (first_segment..self.next_segment).all(|number| self.is_there(&self.segment(number)))
        };
        assert!(there.iter().any(|id| leads_on(&id)), "{step}: the window does not begin at {edge}");
    }
}
