//! What several threads have found.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::verify::{Damage, Repository};

#[derive(Default)]
pub struct Tally {
    objects: AtomicU64,
    bytes: AtomicU64,
    damaged: Mutex<Vec<Damage>>,
}

impl Tally {
    pub fn sound(&self, bytes: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn damage(&self, damage: Damage) {
        self.damaged.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(damage);
    }

    /// In the order of their names, one that hurts several backups once.
    pub fn into(self, verified: &mut Repository) {
        verified.objects += self.objects.into_inner();
        verified.bytes += self.bytes.into_inner();
        let mut damaged = self.damaged.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        damaged.sort_by(|a, b| a.object.cmp(&b.object));
        for damage in damaged {
            match verified.damaged.last_mut().filter(|last| last.object == damage.object) {
                Some(last) => last.hurts.extend(damage.hurts),
                None => verified.damaged.push(damage),
            }
        }
    }
}
