//! A backup as it would be made, call by call.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use pgcairn::codec::{FrameCompressor, Sealer};
use pgcairn::model::catalog::{
    Environment, FORMAT, Flagged, Method, ObjectLine, ObjectsDigest, ServerFacts, Summary, Tolerated, Totals,
    format_commit_marker,
};
use pgcairn::model::envelope::{Envelope, WalFacts};
use pgcairn::model::error::{Code, Error, Result};
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Key, Kind, PackId};
use pgcairn::model::lsn::Lsn;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::model::wal_name::Segment;
use pgcairn::operation::commit_in_time;
use pgcairn::store::{Backend, Repository};

use crate::memory::Memory;

pub const SEGMENT: u64 = 16 << 20;

#[derive(Debug, Clone)]
pub struct Maker {
    pub id: BackupId,
    pub store: Arc<Memory>,
    /// Where it stores its objects: the same store behind layers.
    pub over: Arc<dyn Backend>,
    pub keys: ClusterKeys,
    pub first: u64,
    /// Where WAL is archived to.
    pub archives: Vec<Arc<Memory>>,
    pub next_segment: Arc<Mutex<u64>>,
    /// When its list was stored: from then on it has half an hour.
    pub listed: Arc<Mutex<Option<Timestamp>>>,
}

impl Maker {
    fn put(&self, key: &Key, body: &[u8]) -> Result<()> {
        let repository = Repository::open_on(self.over.clone(), None)?;
        Ok(repository.creator().create(key, &mut Cursor::new(body))?)
    }

    pub fn parts(&self) -> Result<Vec<ObjectLine>> {
        let keys = [
            self.keys.digests(&self.id, 1),
            self.keys.manifest(&self.id, 1),
            self.keys.pack(&PackId { backup: self.id.clone(), number: 1 }),
        ];
        keys.iter().try_for_each(|key| self.put(key, &part(key)))?;
        Ok(keys.into_iter().map(line).collect())
    }

    /// As the operation does it: if its WAL is there, and if it is not too late.
    pub fn commit(&self, objects: &[ObjectLine]) -> Result<Summary> {
        let last = push(&self.archives, &self.keys, &self.next_segment);
        if !(self.first..=last).all(|number| self.over.stat(&segment(&self.keys, number)).is_ok()) {
            return Err(Error::new(Code::ArchiveStalled, "its WAL is not there"));
        }
        let lines: Vec<String> = objects.iter().map(|object| serde_json::to_string(object).unwrap()).collect();
        let mut list = Vec::new();
        let text = lines.join("\n") + "\n";
        FrameCompressor::new(1).unwrap().compress(text.as_bytes(), &mut list).unwrap();
        self.put(&self.keys.objects(&self.id), &list)?;
        let listed = self.store.now();
        *self.listed.lock().unwrap() = Some(listed);
        let repository = Repository::open_on(self.over.clone(), None)?;
        commit_in_time::still_there(&repository.reader(), &self.keys, &self.id, objects)?;
        let summary = self.summary(&list, objects, last);
        commit_in_time::not_overdue(&self.id, listed, self.store.now())?;
        self.put(&self.keys.backup(&self.id), &format_commit_marker(&summary, None).unwrap())?;
        Ok(summary)
    }

    fn summary(&self, list: &[u8], objects: &[ObjectLine], last: u64) -> Summary {
        Summary {
            format: FORMAT,
            minimum_reader: FORMAT,
            id: self.id.clone(),
            cluster: ClusterName::new("main").unwrap(),
            system_identifier: self.keys.backups().split('/').nth(2).unwrap().parse().unwrap(),
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
            start_lsn: Lsn(self.first * SEGMENT + 40),
            stop_lsn: Lsn(last * SEGMENT + 400),
            started: self.store.now(),
            stopped: self.store.now(),
            standby: false,
            parts: 1,
            objects: ObjectsDigest { size: list.len() as u64, sha256: Sha256Sum::of(list) },
            totals: Totals { stored_bytes: stored(objects, list), ..Totals::default() },
            tolerated: Tolerated::default(),
            flagged: Flagged::default(),
            wal_broken_at: None,
            environment: Environment::default(),
            recipients: Vec::new(),
            pgcairn: String::new(),
            is_forged: false,
            lacks_objects: false,
        }
    }
}

pub fn stored(objects: &[ObjectLine], list: &[u8]) -> u64 {
    objects.iter().map(|object| object.size).sum::<u64>() + list.len() as u64
}

pub fn segment(keys: &ClusterKeys, number: u64) -> Key {
    keys.segment(Segment { timeline: 1, number }.name(SEGMENT))
}

/// What lies there as a part of a backup.
pub fn part(key: &Key) -> Vec<u8> {
    format!("what is in {key}").into_bytes()
}

/// As the list names it. Lines ascend by key.
fn line(key: Key) -> ObjectLine {
    let body = part(&key);
    ObjectLine { key, size: body.len() as u64, sha256: Sha256Sum::of(&body) }
}

/// The next segment is archived, in each of the stores; which one that is.
pub fn push(stores: &[Arc<Memory>], keys: &ClusterKeys, next: &Mutex<u64>) -> u64 {
    let mut next = next.lock().unwrap();
    let key = segment(keys, *next);
    for store in stores {
        store.create(&key, &mut Cursor::new(archived(&key))).unwrap();
    }
    *next += 1;
    *next - 1
}

/// A segment as it lies in a repository without encryption.
pub fn archived(key: &Key) -> Vec<u8> {
    archived_as(key, key.as_str(), key.as_str())
}

/// The same with other content, or as another release would compress it.
pub fn archived_as(key: &Key, content: &str, stored: &str) -> Vec<u8> {
    let (sha256, compressed) = (Sha256Sum::of(content.as_bytes()), stored.len() as u64);
    let (first_commit, last_commit, invalid_from) = Default::default();
    let facts =
        WalFacts { sha256, length: SEGMENT, compressed, system_identifier: 7, first_commit, last_commit, invalid_from };
    let envelope = Envelope::wal(key.clone(), Kind::Wal, facts);
    let mut sealed = Sealer::plain().seal(&envelope, Vec::new()).unwrap();
    sealed.write_all(stored.as_bytes()).unwrap();
    sealed.finish().unwrap()
}
