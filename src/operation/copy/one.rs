//! One backup, with all that it needs, and its commit marker last.

use std::collections::BTreeMap;
use std::io::Cursor;

use super::transfer::Transfer;
use super::wal;
use crate::flow::workers;
use crate::model::catalog::{ObjectLine, Summary, parse_commit_marker};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::plan::retention::Archive;
use crate::operation::catalog::read_small;
use crate::operation::failure::damaged;
use crate::operation::healed::healed;
use crate::operation::legal_hold;
use crate::operation::objects_list;
use crate::store::{Error as StoreError, Reader};

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

/// How often what was there a moment ago may be gone.
const MAX_ROUNDS: u32 = 3;

pub fn copy(transfer: &Transfer<'_>, backup: &Summary, archive: &Archive) -> Result<()> {
    let marker = marker(transfer, backup)?;
    bring_objects(transfer, backup)?;
    wal::of_backup(transfer, backup, archive)?;
    let held = hold(transfer, backup)?;
    create(transfer, &transfer.keys.backup(&backup.id), &marker)?;
    if held {
        legal_hold::put(&transfer.work.to, transfer.keys, backup)?;
    }
    for _ in 0..MAX_ROUNDS {
        if bring_objects(transfer, backup)? == 0 {
            return Ok(());
        }
    }
    let message =
        format!("objects of backup {} vanish from {} while it is copied", backup.id, transfer.work.wanted.name);
    Err(Error::new(Code::Conflict, message).hint("see what deletes there, and run it again: pgcairn copy --all"))
}

/// What a backup that is there has lost meanwhile.
pub fn complete(transfer: &Transfer<'_>, backup: &Summary, archive: &Archive) -> Result<()> {
    bring_objects(transfer, backup)?;
    if archive.is_complete(backup) { wal::of_backup(transfer, backup, archive) } else { Ok(()) }
}

/// Byte for byte: it is signed as it is.
fn marker(transfer: &Transfer<'_>, backup: &Summary) -> Result<Vec<u8>> {
    let key = transfer.keys.backup(&backup.id);
    let gone =
        || Error::new(Code::NotFound, format!("backup {} was dropped a moment ago", backup.id)).hint("pgcairn list");
    healed(&transfer.from, || {
        let bytes = read_small(&transfer.from, &key)?.ok_or_else(gone)?;
        parse_commit_marker(&bytes, &key).map_err(|error| damaged(&key, error)).map(|_| bytes)
    })
}

/// How many objects were not there.
fn bring_objects(transfer: &Transfer<'_>, backup: &Summary) -> Result<usize> {
    let (list, mut missing) = (transfer.keys.objects(&backup.id), 0);
    let mut census = Census { reader: &transfer.to, directory: String::new(), sizes: BTreeMap::new() };
    let mut batch: Vec<ObjectLine> = Vec::new();
    let bring = |batch: &mut Vec<ObjectLine>| {
        workers::each(transfer.jobs(), std::mem::take(batch).into_iter(), |line| transfer.listed(&line))
    };
    healed(&transfer.from, || {
        batch.clear();
        objects_list::read(&transfer.from, &list, &backup.objects, |line| {
            if !census.has(&line)? {
                missing += 1;
                batch.push(line);
            }
            if batch.len() >= BATCH { bring(&mut batch) } else { Ok(()) }
        })
    })?;
    bring(&mut batch)?;
    if matches!(transfer.to.stat(&list), Err(StoreError::NotFound { .. })) {
        missing += 1;
        transfer.listed(&ObjectLine { key: list, size: backup.objects.size, sha256: backup.objects.sha256 })?;
    }
    Ok(missing)
}

/// What the destination has, one directory at a time: lines ascend by key.
struct Census<'t> {
    reader: &'t Reader,
    directory: String,
    sizes: BTreeMap<Key, u64>,
}

impl Census<'_> {
    fn has(&mut self, line: &ObjectLine) -> Result<bool> {
        let directory = line.key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        if directory != self.directory {
            let entries = self.reader.list(&format!("{directory}/"))?;
            self.sizes = entries.into_iter().map(|entry| (entry.key, entry.size)).collect();
            self.directory = directory.to_owned();
        }
        match self.sizes.get(&line.key) {
            None => Ok(false),
            Some(size) if *size == line.size => Ok(true),
            Some(size) => {
                let message = format!("{} has {size} bytes where it is to be copied to, not {}", line.key, line.size);
                Err(Error::new(Code::Conflict, message).hint("move the damaged object out of that repository"))
            }
        }
    }
}

/// A backup that is held here is held there.
fn hold(transfer: &Transfer<'_>, backup: &Summary) -> Result<bool> {
    let key = transfer.keys.hold(&backup.id);
    match read_small(&transfer.from, &key)? {
        Some(hold) => create(transfer, &key, &hold).map(|()| true),
        None => Ok(false),
    }
}

fn create(transfer: &Transfer<'_>, key: &Key, bytes: &[u8]) -> Result<()> {
    match transfer.creator.create(key, &mut Cursor::new(bytes)) {
        Err(StoreError::AlreadyExists { .. }) => Ok(transfer.creator.persist(key)?),
        created => Ok(created?),
    }
}
