//! Holds that the store itself keeps, on every object that a held backup needs: where objects are created under a lock,
//! the lock ends some day and the hold does not.

use std::collections::HashSet;

use super::catalog::Catalog;
use super::objects_list::{self, ListOf};
use super::{dump, hold};
use crate::model::catalog::Summary;
use crate::model::dump::Summary as Dump;
use crate::model::error::{Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::wal_name::{Segment, WalName};
use crate::store::Repository;

/// How many objects are under hold now; `None` where the repository is not configured to lock any.
pub fn put(repository: &Repository, keys: &ClusterKeys, backup: &Summary) -> Result<Option<usize>> {
    put_on(repository, &backup.id, || objects(repository, keys, backup))
}

/// The same of a dump.
pub fn put_on_dump(repository: &Repository, keys: &ClusterKeys, dump: &Dump) -> Result<Option<usize>> {
    put_on(repository, &dump.id, || listed(repository, keys, &ListOf::dump(keys, dump)))
}

fn put_on(repository: &Repository, id: &BackupId, objects: impl FnOnce() -> Result<Vec<Key>>) -> Result<Option<usize>> {
    if !are_kept(repository)? {
        return Ok(None);
    }
    let objects = objects()?;
    repository.legal_hold(&objects, true).map_err(|error| not_put(error.into(), id))?;
    Ok(Some(objects.len()))
}

/// Nothing is put and nothing asked: it is a matter of configuration.
fn are_kept(repository: &Repository) -> Result<bool> {
    Ok(repository.legal_hold(&[], true)?)
}

/// What another held backup needs too stays under hold. Done before the hold is removed, so that it can be repeated.
pub fn take_off(repository: &Repository, keys: &ClusterKeys, id: &BackupId) -> Result<()> {
    if !are_kept(repository)? {
        return Ok(());
    }
    if id.is_dump() {
        let dumps = dump::catalog::Dumps::read(&repository.reader(), keys)?.dumps;
        let Some(dump) = dumps.iter().find(|dump| dump.summary.id == *id) else { return Ok(()) };
        repository.legal_hold(&listed(repository, keys, &ListOf::dump(keys, &dump.summary))?, false)?;
        return Ok(());
    }
    let all = Catalog::read(&repository.reader(), keys)?.into_summaries();
    let Some(backup) = all.iter().find(|backup| backup.id == *id) else { return Ok(()) };
    let held = hold::of_backups(&repository.reader(), keys)?;
    let mut needed = HashSet::new();
    for other in all.iter().filter(|other| other.id != backup.id && held.contains_key(&other.id)) {
        needed.extend(objects(repository, keys, other)?);
    }
    let mut objects = objects(repository, keys, backup)?;
    objects.retain(|key| !needed.contains(key));
    repository.legal_hold(&objects, false)?;
    Ok(())
}

/// The marker, the hold, the list and what it names: all that a dump consists of.
fn listed(repository: &Repository, keys: &ClusterKeys, of: &ListOf<'_>) -> Result<Vec<Key>> {
    let mut objects = vec![keys.marker_of(of.id), keys.hold(of.id), of.key.clone()];
    objects_list::read(&repository.reader(), &of.key, of.digest, |line| {
        objects.push(line.key);
        Ok(())
    })?;
    Ok(objects)
}

/// With WAL from start to stop.
fn objects(repository: &Repository, keys: &ClusterKeys, backup: &Summary) -> Result<Vec<Key>> {
    let mut objects = listed(repository, keys, &ListOf::backup(keys, backup))?;
    let size = backup.postgresql.wal_segment_size;
    if size.is_power_of_two() {
        let last = Segment::before(backup.timeline, backup.stop_lsn, size);
        let first = Segment::containing(backup.timeline, backup.start_lsn, size);
        let segments = std::iter::successors(Some(first), |segment| Some(segment.next()));
        let segments = segments.take_while(|segment| segment.number <= last.number);
        objects.extend(segments.map(|segment| keys.wal_file(&WalName::Segment(segment.name(size)))));
    }
    Ok(objects)
}

/// The hold itself is there, and expiry respects it.
fn not_put(error: Error, id: &BackupId) -> Error {
    let noun = id.noun();
    let again = format!("pgcairn release {id}, then pgcairn hold {id} --reason TEXT");
    error.hint(format!("expire keeps the {noun}; for the store's own hold, with an access key that may: {again}"))
}
