//! What several threads have found.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::due::Cover;
use crate::report::verify::{BadPage, Damage, Repository};

#[derive(Default)]
pub struct Tally {
    objects: AtomicU64,
    bytes: AtomicU64,
    damaged: Mutex<Vec<Damage>>,
    bad_pages: Mutex<Vec<BadPage>>,
    more_bad_pages: AtomicU64,
    known_bad_pages: AtomicU64,
    pub cover: Cover,
    /// What counts still and was not read again.
    remembered_objects: AtomicU64,
    remembered_bytes: AtomicU64,
    remembered_wal_files: AtomicU64,
}

/// Most that are named; the others are counted.
const MAX_BAD_PAGES: usize = 1000;

impl Tally {
    pub fn sound(&self, bytes: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn damage(&self, damage: Damage) {
        locked(&self.damaged).push(damage);
    }

    /// One that was read at `when`.
    pub fn remembered(&self, bytes: u64, when: Timestamp) {
        self.remembered_objects.fetch_add(1, Ordering::Relaxed);
        self.remembered_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.cover.add(bytes, Some(when));
    }

    pub fn remembered_wal(&self, bytes: u64, when: Timestamp) {
        self.remembered_wal_files.fetch_add(1, Ordering::Relaxed);
        self.cover.add(bytes, Some(when));
    }

    /// One of which the backup says nothing.
    pub fn bad_page(&self, page: BadPage) {
        let mut pages = locked(&self.bad_pages);
        match pages.len() < MAX_BAD_PAGES {
            true => pages.push(page),
            false => self.more_bad_pages(1),
        }
    }

    /// Those that nobody has named.
    pub fn more_bad_pages(&self, number: u64) {
        self.more_bad_pages.fetch_add(number, Ordering::Relaxed);
    }

    pub fn known_bad_page(&self) {
        self.known_bad_pages.fetch_add(1, Ordering::Relaxed);
    }

    /// In the order of their names, one that hurts several backups once.
    pub fn into(self, verified: &mut Repository) {
        verified.objects += self.objects.into_inner();
        verified.bytes += self.bytes.into_inner();
        (verified.covered, verified.covered_since) = self.cover.told();
        verified.remembered_objects += self.remembered_objects.into_inner();
        verified.remembered_bytes += self.remembered_bytes.into_inner();
        verified.remembered_wal_files += self.remembered_wal_files.into_inner();
        let mut pages = inner(self.bad_pages);
        pages.sort_by(|a, b| (&a.backup, &a.path, a.block).cmp(&(&b.backup, &b.path, b.block)));
        verified.more_bad_pages += self.more_bad_pages.into_inner();
        verified.bad_pages.extend(pages);
        verified.known_bad_pages += self.known_bad_pages.into_inner();
        let mut damaged = inner(self.damaged);
        damaged.sort_by(|a, b| a.object.cmp(&b.object));
        for damage in damaged {
            match verified.damaged.last_mut().filter(|last| last.object == damage.object) {
                Some(last) => last.hurts.extend(damage.hurts),
                None => verified.damaged.push(damage),
            }
        }
    }
}

fn locked<T>(found: &Mutex<T>) -> MutexGuard<'_, T> {
    found.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn inner<T>(found: Mutex<T>) -> T {
    found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}
