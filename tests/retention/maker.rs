//! A backup as it would be made, call by call.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use pgcairn::codec::FrameCompressor;
use pgcairn::model::catalog::{
    Environment, FORMAT, Flagged, Method, ObjectLine, ObjectsDigest, ServerFacts, Summary, Tolerated, Totals,
    format_commit_marker,
};
use pgcairn::model::error::{Code, Error, Result};
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Key, PackId};
use pgcairn::model::lsn::Lsn;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::model::wal_name::Segment;
use pgcairn::operation::backup::in_time;
use pgcairn::store::{Backend, Repository};

use crate::clocked::Clocked;

pub const SEGMENT: u64 = 16 << 20;

#[derive(Debug, Clone)]
pub struct Maker {
    pub id: BackupId,
    pub store: Arc<Clocked>,
    /// Where it stores its objects: the same store behind layers.
    pub over: Arc<dyn Backend>,
    pub keys: ClusterKeys,
    pub first: u64,
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
        keys.iter().try_for_each(|key| self.put(key, b"body"))?;
        Ok(keys.into_iter().map(|key| ObjectLine { key, size: 4, sha256: Sha256Sum::of(b"body") }).collect())
    }

    /// As the operation does it: if its WAL is there, and if it is not too late.
    pub fn commit(&self, objects: &[ObjectLine]) -> Result<Summary> {
        let last = push(&self.store, &self.keys, &self.next_segment);
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
        in_time::still_there(&repository.reader(), &self.keys, &self.id, objects)?;
        let summary = self.summary(&list, last);
        in_time::not_overdue(&self.id, listed, self.store.now())?;
        self.put(&self.keys.backup(&self.id), &format_commit_marker(&summary, None).unwrap())?;
        Ok(summary)
    }

    fn summary(&self, list: &[u8], last: u64) -> Summary {
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
            totals: Totals::default(),
            tolerated: Tolerated::default(),
            flagged: Flagged::default(),
            wal_broken_at: None,
            environment: Environment::default(),
            recipients: Vec::new(),
            pgcairn: String::new(),
        }
    }
}

pub fn segment(keys: &ClusterKeys, number: u64) -> Key {
    keys.segment(Segment { timeline: 1, number }.name(SEGMENT))
}

/// The next segment is archived; which one that is.
pub fn push(store: &Clocked, keys: &ClusterKeys, next: &Mutex<u64>) -> u64 {
    let mut next = next.lock().unwrap();
    store.create(&segment(keys, *next), &mut Cursor::new(b"wal")).unwrap();
    *next += 1;
    *next - 1
}
