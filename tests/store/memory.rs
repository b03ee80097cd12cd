//! A store in memory: the promises of `Backend` in their plainest form.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use pgcairn::model::key::Key;
use pgcairn::store::{Backend, Entry, Error, ReadSeek, Result, Stat};

#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<Key, (Vec<u8>, Timestamp)>>,
    /// The store's own clock, which tells when an object was stored; without it the host's.
    clock: Mutex<Option<Timestamp>>,
}

impl Memory {
    #[allow(dead_code, reason = "for tests of expiry, which share this file")]
    pub fn at(now: Timestamp) -> Memory {
        Memory { clock: Mutex::new(Some(now)), ..Memory::default() }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.lock().unwrap().unwrap_or_else(Timestamp::now)
    }

    #[allow(dead_code, reason = "for tests of expiry, which share this file")]
    pub fn pass(&self, span: SignedDuration) {
        let now = self.now() + span;
        *self.clock.lock().unwrap() = Some(now);
    }

    fn object(&self, key: &Key) -> Result<(Vec<u8>, Timestamp)> {
        self.objects.lock().unwrap().get(key).cloned().ok_or_else(|| Error::NotFound { key: key.clone() })
    }
}

impl Backend for Memory {
    fn url(&self) -> &str {
        "memory:"
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.object(key)?.0)))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        let body = self.object(key)?.0;
        let end = body.len().min(range.end as usize);
        Ok(body.get(range.start as usize..end).unwrap_or_default().to_vec())
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        Ok(Box::new(Cursor::new(self.object(key)?.0)))
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        let (body, modified) = self.object(key)?;
        Ok(Stat { size: body.len() as u64, modified })
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let objects = self.objects.lock().unwrap();
        let entry = |(key, (body, modified)): (&Key, &(Vec<u8>, Timestamp))| Entry {
            key: key.clone(),
            size: body.len() as u64,
            modified: *modified,
        };
        Ok(objects.iter().filter(|(key, _)| key.as_str().starts_with(prefix)).map(entry).collect())
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        let objects = self.objects.lock().unwrap();
        let below = objects.keys().filter_map(|key| key.as_str().strip_prefix(directory)?.strip_prefix('/'));
        let children: BTreeSet<String> = below.filter_map(|rest| Some(rest.split_once('/')?.0.to_owned())).collect();
        Ok(children.into_iter().collect())
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        let mut bytes = Vec::new();
        let place = format!("memory:{key}");
        body.read_to_end(&mut bytes).map_err(|source| Error::Io { action: "cannot write", place, source })?;
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(key) {
            return Err(Error::AlreadyExists { key: key.clone() });
        }
        objects.insert(key.clone(), (bytes, self.now()));
        Ok(())
    }

    fn persist(&self, key: &Key) -> Result<()> {
        self.object(key).map(|_| ())
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let gone = self.objects.lock().unwrap().remove(key);
        gone.map(|_| ()).ok_or_else(|| Error::NotFound { key: key.clone() })
    }
}
