//! Reading: out of one repository, or out of several that hold the same clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use super::backend::{Entry, ReadSeek, Stat};
use super::counted::{Counted, Counter};
use super::error::{Error, Result};
use super::repository::Shared;
use crate::model::key::Key;

/// Reads objects. Every [`Error::NotFound`] from here is proven by every repository; an empty listing is, too.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Asked in this order.
    copies: Vec<Arc<Shared>>,
    /// What people call each of them.
    names: Vec<String>,
    damaged: Damaged,
    read: Counter,
}

/// Which copy of which object; known to all readers of an opened repository.
pub(super) type Damaged = Arc<Mutex<BTreeSet<(Key, usize)>>>;

impl Reader {
    pub(super) fn new(copies: Vec<Arc<Shared>>, names: Vec<String>, damaged: Damaged, read: Counter) -> Reader {
        Reader { copies, names, damaged, read }
    }

    /// What all readers of this opened repository have read of objects.
    pub fn bytes_read(&self) -> u64 {
        self.read.bytes()
    }

    /// The whole object as a stream.
    pub fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        let body = self.ask_each(key, |copy| copy.backend.get(key))?;
        Ok(Box::new(Counted::new(body, &self.read)))
    }

    /// Like [`Reader::get`], with `None` where there is proven to be no such object.
    pub fn find(&self, key: &Key) -> Result<Option<Box<dyn Read + Send>>> {
        match self.get(key) {
            Ok(body) => Ok(Some(body)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Part of an object; less than asked for where the object ends before.
    pub fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        let part = self.ask_each(key, |copy| copy.backend.get_range(key, range.clone()))?;
        self.read.add(part.len());
        Ok(part)
    }

    /// An object to be read in parts.
    pub fn open_seekable(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        let object = self.ask_each(key, |copy| copy.backend.open(key))?;
        Ok(Box::new(Counted::new(object, &self.read)))
    }

    pub fn stat(&self, key: &Key) -> Result<Stat> {
        self.ask_each(key, |copy| copy.backend.stat(key))
    }

    /// Like [`Reader::stat`], with `None` where there is proven to be no such object.
    pub fn stat_if_there(&self, key: &Key) -> Result<Option<Stat>> {
        match self.stat(key) {
            Ok(stat) => Ok(Some(stat)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every object whose key begins with `prefix`, in order of their keys' bytes.
    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        match self.list_in_part(prefix)? {
            (entries, None) => Ok(entries),
            (_, Some(error)) => Err(error),
        }
    }

    /// The same for whoever knows what must be there: where one of several copies cannot be listed, what the others have,
    /// and why that one is left out.
    pub fn list_in_part(&self, prefix: &str) -> Result<(Vec<Entry>, Option<Error>)> {
        let (mut listings, left_out) = self.ask_all(|copy| {
            let entries = copy.backend.list(prefix)?;
            if entries.is_empty() {
                copy.check()?;
            }
            Ok(entries)
        })?;
        Ok((if listings.len() == 1 { listings.remove(0) } else { self.merged(&listings) }, left_out))
    }

    /// Of several copies the one that is read.
    fn merged(&self, listings: &[Vec<Entry>]) -> Vec<Entry> {
        let mut entries = BTreeMap::new();
        for damaged in [false, true] {
            for (number, listing) in listings.iter().enumerate() {
                for entry in listing.iter().filter(|entry| self.is_damaged(number, &entry.key) == damaged) {
                    entries.entry(entry.key.clone()).or_insert_with(|| entry.clone());
                }
            }
        }
        entries.into_values().collect()
    }

    /// One level of names below `directory`, such as the clusters of a repository.
    pub fn children(&self, directory: &str) -> Result<Vec<String>> {
        let (children, left_out) = self.ask_all(|copy| {
            let children = copy.backend.children(directory)?;
            if children.is_empty() {
                copy.check()?;
            }
            Ok(children)
        })?;
        if let Some(error) = left_out {
            return Err(error);
        }
        let names: BTreeSet<String> = children.into_iter().flatten().collect();
        Ok(names.into_iter().collect())
    }

    /// Told that the object is damaged where it was read: from here on another copy of it is, if there is one.
    pub fn turn_from(&self, key: &Key) -> bool {
        match self.turning(key) {
            Some(from) => self.lock().insert((key.clone(), from)),
            None => false,
        }
    }

    /// Whether [`Reader::turn_from`] would find another copy.
    pub fn has_another(&self, key: &Key) -> bool {
        self.turning(key).is_some()
    }

    /// The copy that is read, where there is another.
    fn turning(&self, key: &Key) -> Option<usize> {
        let has = |number: &usize| self.copies[*number].backend.stat(key).is_ok();
        let mut sound = (0..self.copies.len()).filter(|number| !self.is_damaged(*number, key)).filter(has);
        let from = sound.next()?;
        sound.next().map(|_| from)
    }

    /// All that was turned from, in order.
    pub fn turned(&self) -> Vec<Turned> {
        let url = |number: usize| self.copies[number].backend.url().to_owned();
        self.lock().iter().map(|(key, number)| Turned { key: key.clone(), from: url(*number) }).collect()
    }

    /// Of the copies that have the object, by their numbers, the one that is read.
    pub fn taken_from(&self, key: &Key, having: &[usize]) -> Option<usize> {
        having.iter().find(|number| !self.is_damaged(**number, key)).or(having.first()).copied()
    }

    /// Every answer, and which copy gave none: what lacks that one may lack anything.
    fn ask_all<T: Default>(&self, ask: impl Fn(&Shared) -> Result<T>) -> Result<(Vec<T>, Option<Error>)> {
        let (mut answers, mut others, mut failed) = (Vec::with_capacity(self.copies.len()), Vec::new(), None);
        for (copy, name) in self.copies.iter().zip(&self.names) {
            answers.push(match ask(copy) {
                Ok(answer) => {
                    others.push(name.clone());
                    answer
                }
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) => {
                    failed = failed.or(Some((name.clone(), Box::new(error))));
                    T::default()
                }
            });
        }
        match failed {
            Some((_, error)) if others.is_empty() => Err(*error),
            failed => Ok((answers, failed.map(|(name, source)| Error::OneOfSeveral { name, others, source }))),
        }
    }

    /// The first answer; copies that are damaged are asked last. Absent is what is absent everywhere.
    fn ask_each<T>(&self, key: &Key, ask: impl Fn(&Shared) -> Result<T>) -> Result<T> {
        let (mut failed, mut order) = (None, (0..self.copies.len()).collect::<Vec<_>>());
        order.sort_by_key(|number| self.is_damaged(*number, key));
        for number in order {
            let copy = &self.copies[number];
            match copy.proven(ask(copy)) {
                Ok(answer) => return Ok(answer),
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(Error::NotFound { .. }) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| Error::NotFound { key: key.clone() }))
    }

    fn is_damaged(&self, number: usize, key: &Key) -> bool {
        self.copies.len() > 1 && self.lock().contains(&(key.clone(), number))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Key, usize)>> {
        self.damaged.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An object is not read from here any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    pub key: Key,
    pub from: String,
}
