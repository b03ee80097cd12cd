//! Markers of dropped backups and dumps: read, and at the end of their grace time deleted.

use super::carry_out::Work;
use super::observed::Observed;
use jiff::Timestamp;

use crate::model::catalog::{CatalogError, Summary, parse_commit_marker};
use crate::model::deletion::GRACE;
use crate::model::dump;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::operation::catalog::read_small;
use crate::store::{Entry, Reader, Repository};

/// `None` where another run was faster.
pub fn read(repository: &Repository, keys: &ClusterKeys, key: &Key, id: &BackupId) -> Result<Option<Vec<u8>>> {
    let Some(marker) = read_small(&repository.reader(), key)? else { return Ok(None) };
    check(keys, key, id, &marker).map(|()| Some(marker))
}

fn check(keys: &ClusterKeys, key: &Key, id: &BackupId, marker: &[u8]) -> Result<()> {
    if id.is_dump() { parse_dump(keys, key, id, marker).map(drop) } else { parse(keys, key, id, marker).map(drop) }
}

pub fn parse(keys: &ClusterKeys, key: &Key, id: &BackupId, marker: &[u8]) -> Result<Summary> {
    let parsed = parse_commit_marker(marker, &keys.backup(id)).map_err(|error| damaged(key, id, &error));
    Ok(parsed?.summary)
}

pub fn parse_dump(keys: &ClusterKeys, key: &Key, id: &BackupId, marker: &[u8]) -> Result<dump::Summary> {
    let parsed = dump::parse_marker(marker, &keys.dump(id)).map_err(|error| damaged(key, id, &error));
    Ok(parsed?.summary)
}

fn damaged(key: &Key, id: &BackupId, error: &CatalogError) -> Error {
    let noun = id.noun();
    Error::new(Code::Damaged, format!("{key}: {error}"))
        .hint(format!("move it out of the repository: its {noun} is dropped and cannot be brought back"))
}

/// Those that `undelete` still promises to bring back.
pub fn summaries(reader: &Reader, observed: &Observed) -> Result<Vec<Summary>> {
    let mut summaries = Vec::new();
    for (id, entries) in observed.trash.iter().filter(|(id, _)| !observed.is_there(id)) {
        for entry in entries {
            let Some(marker) = read_small(reader, &entry.key)? else { continue };
            summaries.push(parse(&observed.keys, &entry.key, id, &marker)?);
            break;
        }
    }
    Ok(summaries)
}

/// Deletes what is as old as the grace time, or at once all of it but what lies beside its marker: that is left over,
/// or another run's that is about to delete the marker.
pub fn empty(work: &Work<'_>, keys: &ClusterKeys, are_meant: impl Fn(&BackupId) -> bool) -> Result<()> {
    let reader = work.repository.reader();
    for entry in reader.list(&keys.trash())? {
        let Some(id) = keys.trashed_id_of(&entry.key).filter(&are_meant) else { continue };
        work.interrupt.check()?;
        let is_there = reader.stat_if_there(&keys.marker_of(&id))?.is_some();
        match (is_there, is_old(&entry, work.now)) {
            (true, true) => work.repository.remover().remove(&entry.key).map(|_| ())?,
            (false, old) if old || work.at_once => empty_one(work, keys, &id, &entry)?,
            _ => {}
        }
    }
    Ok(())
}

/// `undelete` creates a hold and then looks for the trash, this deletes the trash and then looks for a hold: one of
/// both sees the other.
fn empty_one(work: &Work<'_>, keys: &ClusterKeys, id: &BackupId, entry: &Entry) -> Result<()> {
    if work.is_held(keys, id)? {
        return Ok(());
    }
    let Some(marker) = read_small(&work.repository.reader(), &entry.key)? else { return Ok(()) };
    work.repository.remover().remove(&entry.key)?;
    match work.is_held(keys, id)? {
        true => work.unless_full(work.create(&entry.key, &marker)),
        false => Ok(()),
    }
}

/// Its grace time is over.
pub fn is_old(entry: &Entry, now: Timestamp) -> bool {
    now.duration_since(entry.modified) >= GRACE
}
