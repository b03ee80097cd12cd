//! What nothing needs is condemned first and deleted a grace time later: a backup that was at work meanwhile, or one
//! that was brought back, is in view by then.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

use super::carry_out::Work;
use super::needs::{self, Doomed};
use super::observed::Observed;
use crate::model::catalog::{Summary, parse_commit_marker};
use crate::model::deletion::{self, Condemned, GRACE, MAX_CONDEMNED, MAX_CONDEMNED_KEYS};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, Key};
use crate::operation::catalog::read_small;
use crate::operation::failure;
use crate::store::{Entry, Reader};

/// Deletes what was condemned long enough ago; how many bytes that frees.
pub fn purge(work: &Work<'_>, keys: &ClusterKeys) -> Result<u64> {
    let (reader, remover) = (work.repository.reader(), work.repository.remover());
    let is_old = |entry: &Entry| work.now.duration_since(entry.modified) >= GRACE;
    let condemned: Vec<Entry> = reader.list(&keys.condemned())?.into_iter().filter(is_old).collect();
    if condemned.is_empty() {
        return Ok(0);
    }
    // Before the backups are read: `undelete` creates the commit marker and then looks for the trash.
    for entry in reader.list(&keys.trash())?.iter().filter(|entry| is_old(entry)) {
        remover.remove(&entry.key)?;
    }
    let observed = work.observe(keys)?;
    let trash = trashed(&reader, keys, &observed)?;
    let spared = needs::of(&reader, keys, &trash)?;
    let kept: Vec<&Summary> = observed.backups.iter().chain(&trash).collect();
    let wal = work.unneeded_wal(&observed, &trash);
    let doomed = needs::garbage(&reader, &observed, &HashSet::new(), &kept, &wal, work.now)?;
    let doomed: HashMap<Key, u64> = doomed.into_iter().map(|Doomed { key, size }| (key, size)).collect();
    let mut freed = 0;
    for entry in condemned {
        let Some(named) = read(work, &reader, &entry.key)? else { continue };
        let size = |key: &Key| doomed.get(key).map(|size| Doomed { key: key.clone(), size: *size });
        freed += work.delete(&named.keys.iter().filter_map(size).collect::<Vec<_>>())?;
        // What the trash needs stays condemned, so that its own time does not begin anew.
        if !named.keys.iter().any(|key| spared.contains(key)) {
            remover.remove(&entry.key)?;
        }
    }
    Ok(freed)
}

/// Names what nothing needs and what is not named yet; how many bytes that will free.
pub fn condemn(work: &Work<'_>, keys: &ClusterKeys) -> Result<u64> {
    let reader = work.repository.reader();
    let observed = work.observe(keys)?;
    let mut named = HashSet::new();
    for entry in &observed.condemned {
        named.extend(read(work, &reader, &entry.key)?.into_iter().flat_map(|condemned| condemned.keys));
    }
    let kept: Vec<&Summary> = observed.backups.iter().collect();
    let wal = work.unneeded_wal(&observed, &[]);
    let garbage = needs::garbage(&reader, &observed, &HashSet::new(), &kept, &wal, work.now)?;
    let bytes = garbage.iter().map(|doomed| doomed.size).sum();
    let new: Vec<Key> = garbage.into_iter().map(|doomed| doomed.key).filter(|key| !named.contains(key)).collect();
    let start = work.now.strftime("%Y%m%dT%H%M%SZ").to_string();
    for keys_of_one in new.chunks(MAX_CONDEMNED_KEYS) {
        let condemned = Condemned { format: deletion::FORMAT, keys: keys_of_one.to_vec() };
        let key = ClusterKeys::numbered(&keys.condemned(), &start, rand::random());
        work.repository.creator().create(&key, &mut Cursor::new(deletion::to_line(&condemned)))?;
    }
    Ok(bytes)
}

/// `None` where another run was faster, or where it cannot be read: then nothing of it is deleted.
fn read(work: &Work<'_>, reader: &Reader, key: &Key) -> Result<Option<Condemned>> {
    let Some(object) = reader.find(key)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = object.take(MAX_CONDEMNED as u64).read_to_end(&mut bytes);
    read.map_err(|e| failure::unreadable(key, &e))?;
    match Condemned::parse(&bytes) {
        Ok(condemned) => Ok(Some(condemned)),
        Err(error) => {
            let message = format!("{key} is damaged: {error}");
            let hint = "move it out of the repository: what it named will be condemned again";
            work.listener.warning(Error::new(Code::Damaged, message).hint(hint));
            Ok(None)
        }
    }
}

/// The backups that `undelete` still promises to bring back.
fn trashed(reader: &Reader, keys: &ClusterKeys, observed: &Observed) -> Result<Vec<Summary>> {
    let mut trashed = Vec::new();
    for (id, entry) in &observed.trash {
        let Some(bytes) = read_small(reader, &entry.key)? else { continue };
        let marker = parse_commit_marker(&bytes, &keys.backup(id)).map_err(|error| {
            Error::new(Code::Damaged, format!("{}: {error}", entry.key))
                .hint("move it out of the repository: its backup is dropped and cannot be brought back")
        });
        trashed.push(marker?.summary);
    }
    Ok(trashed)
}
