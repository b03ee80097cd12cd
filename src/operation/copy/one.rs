//! One backup, with all that it needs, and its commit marker last.

use std::collections::BTreeMap;
use std::io::Cursor;

use jiff::Timestamp;

use super::choose::Choice;
use super::transfer::Transfer;
use super::wal;
use crate::flow::workers;
use crate::model::catalog::{ObjectLine, Summary, parse_commit_marker};
use crate::model::deletion::{GRACE, to_line};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::operation::catalog::read_small;
use crate::operation::failure::damaged;
use crate::operation::healed::healed;
use crate::operation::{hold, legal_hold, objects_list};
use crate::store::{Error as StoreError, Reader};

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

/// How often what was there a moment ago may be gone.
const MAX_ROUNDS: u32 = 3;

/// Why a backup is held while it is copied once more.
const BEING_COPIED: &str = "being copied";

pub fn copy(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    let marker = marker(transfer, backup)?;
    let held = hold(transfer, backup, choice)?;
    bring_objects(transfer, backup)?;
    wal::of_backup(transfer, backup, &choice.archive)?;
    bring_list(transfer, backup)?;
    create(transfer, &transfer.keys.backup(&backup.id), &marker)?;
    if held {
        legal_hold::put(&transfer.work.to, transfer.keys, backup)?;
    }
    for _ in 0..MAX_ROUNDS {
        let before = transfer.objects();
        complete(transfer, backup, choice)?;
        if transfer.objects() == before {
            return Ok(());
        }
    }
    let message =
        format!("objects of backup {} vanish from {} while it is copied", backup.id, transfer.work.wanted.name);
    Err(Error::new(Code::Conflict, message).hint("see what deletes there, and run it again: pgcairn copy --all"))
}

/// What a backup that is there has lost meanwhile. WAL that no repository has is missed by a restore, not here.
pub fn complete(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    bring_objects(transfer, backup)?;
    bring_list(transfer, backup)?;
    match choice.archive.is_complete(backup) {
        true => wal::of_backup(transfer, backup, &choice.archive),
        false => Ok(()),
    }
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

/// All that the list names.
fn bring_objects(transfer: &Transfer<'_>, backup: &Summary) -> Result<()> {
    let mut batch: Vec<ObjectLine> = Vec::new();
    let bring = |batch: &mut Vec<ObjectLine>| {
        workers::each(transfer.jobs(), std::mem::take(batch).into_iter(), |line| transfer.listed(&line))
    };
    healed(&transfer.from, || {
        let mut census = Census { reader: &transfer.to, directory: String::new(), sizes: BTreeMap::new() };
        batch.clear();
        objects_list::read(&transfer.from, &transfer.keys.objects(&backup.id), &backup.objects, |line| {
            if !census.has(&line)? {
                batch.push(line);
            }
            if batch.len() >= BATCH { bring(&mut batch) } else { Ok(()) }
        })
    })?;
    bring(&mut batch)
}

fn bring_list(transfer: &Transfer<'_>, backup: &Summary) -> Result<()> {
    let key = transfer.keys.objects(&backup.id);
    match transfer.to.stat_if_there(&key)? {
        Some(_) => Ok(()),
        None => transfer.listed(&ObjectLine { key, size: backup.objects.size, sha256: backup.objects.sha256 }),
    }
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

/// A backup that is held here is held there. Another one only where a list without a commit marker waits for expiry.
fn hold(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<bool> {
    let (id, now) = (&backup.id, transfer.work.context.now);
    if let Some(hold) = choice.holds.get(id).filter(|hold| hold.counts_at(now)) {
        return create(transfer, &transfer.keys.hold(id), &to_line(hold)).map(|()| true);
    }
    if transfer.to.stat_if_there(&transfer.keys.objects(id))?.is_some() {
        let until = now.checked_add(GRACE).unwrap_or(Timestamp::MAX);
        let hold = hold::new(id, BEING_COPIED, Some(until), now);
        create(transfer, &transfer.keys.hold(id), &to_line(&hold))?;
    }
    Ok(false)
}

fn create(transfer: &Transfer<'_>, key: &Key, bytes: &[u8]) -> Result<()> {
    match transfer.creator.create(key, &mut Cursor::new(bytes)) {
        Err(StoreError::AlreadyExists { .. }) => Ok(transfer.creator.persist(key)?),
        created => Ok(created?),
    }
}
