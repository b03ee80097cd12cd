//! The store's clock, read from the time at which it stored this run's marker.

use std::io::Cursor;

use jiff::Timestamp;

use super::{Request, refuse};
use crate::model::deletion::{GRACE, MAX_CLOCK_SKEW, RunMarker};
use crate::model::error::Result;
use crate::model::key::{ClusterKeys, Key};
use crate::model::record;
use crate::store::{self, Repository};

pub struct Clock {
    marker: Option<Key>,
    store: Option<Timestamp>,
}

impl Clock {
    /// With `--now` a full disk must not stop it: then this host's clock has to do.
    pub fn begin(
        repository: &Repository,
        keys: Option<&ClusterKeys>,
        now: Timestamp,
        request: &Request,
    ) -> Result<Clock> {
        let Some(keys) = keys else { return Ok(Clock { marker: None, store: None }) };
        let key = ClusterKeys::numbered(&keys.runs(), now, rand::random());
        let marker = RunMarker {
            format: record::FORMAT,
            command: "expire".to_owned(),
            started: now,
            pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
        };
        match repository.creator().create(&key, &mut Cursor::new(record::to_line(&marker))) {
            Err(store::Error::NoSpace { .. } | store::Error::Permission { .. }) if request.now => {
                return Ok(Clock { marker: None, store: None });
            }
            created => created?,
        }
        let store = repository.reader().stat(&key)?.modified;
        let clock = Clock { marker: Some(key), store: Some(store) };
        if now.duration_since(store).abs() > MAX_CLOCK_SKEW && !request.agreed {
            clock.end(repository)?;
            return Err(refuse::clock_skew(store, now));
        }
        sweep(repository, keys, store)?;
        Ok(clock)
    }

    pub fn earlier_of(&self, now: Timestamp) -> Timestamp {
        self.store.map_or(now, |store| store.min(now))
    }

    pub fn end(&self, repository: &Repository) -> Result<()> {
        if let Some(key) = &self.marker {
            repository.remover().remove(key)?;
        }
        Ok(())
    }
}

/// Markers of runs that were killed.
fn sweep(repository: &Repository, keys: &ClusterKeys, now: Timestamp) -> Result<()> {
    for entry in repository.reader().list(&keys.runs())? {
        if now.duration_since(entry.modified) > GRACE {
            repository.remover().remove(&entry.key)?;
        }
    }
    Ok(())
}
