//! One backup, with all that it needs, and its commit marker last.

use std::collections::BTreeMap;
use std::io::Cursor;

use jiff::Timestamp;

use super::choose::Choice;
use super::expiry::Expiry;
use super::transfer::Transfer;
use super::wal;
use crate::flow::workers;
use crate::model::catalog::{ObjectLine, Summary, parse_commit_marker};
use crate::model::deletion::COMMIT_WITHIN;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::operation::catalog::read_small;
use crate::operation::failure::damaged;
use crate::operation::healed::healed;
use crate::operation::{hold, legal_hold, objects_list};
use crate::store::{Error as StoreError, Reader};

const MOVE_THERE: &str = "move the damaged object out of that repository";

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

pub fn copy(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    let marker = marker(transfer, backup)?;
    let held = hold(transfer, backup, choice)?;
    let mut met = bring_objects(transfer, backup)?;
    if met || has_list(transfer, backup)? {
        hold::for_copy(&transfer.route.to, transfer.keys, &backup.id, transfer.route.now)?;
        met = true;
    }
    // Whoever expires from here on sees this backup at work.
    let expiry = Expiry::at_work(transfer.route)?;
    if met {
        expiry.refuse(transfer, backup)?;
        bring_objects(transfer, backup)?;
    }
    if wal::of_backup(transfer, backup, &choice.archive)? && !choice.is_newest(backup) {
        expiry.refuse(transfer, backup)?;
    }
    commit(transfer, backup, &marker, met)?;
    if held {
        legal_hold::put(&transfer.route.to, transfer.keys, backup)?;
    }
    Ok(())
}

/// The list of objects and the commit marker, at once one after the other. Without a hold expiry soon takes a backup
/// that has the one and not the other for dropped.
fn commit(transfer: &Transfer<'_>, backup: &Summary, marker: &[u8], under_hold: bool) -> Result<()> {
    let listed = Timestamp::now();
    bring_list(transfer, backup)?;
    if !under_hold && Timestamp::now().duration_since(listed) > COMMIT_WITHIN {
        let message = "its last two objects took more than 30 minutes; run it again";
        return Err(Error::new(Code::Conflict, message).hint(format!("pgcairn copy {}", backup.id)));
    }
    create(transfer, &transfer.keys.backup(&backup.id), marker)
}

/// What a backup that is there has lost meanwhile. WAL that no repository has is missed by a restore, not here.
pub fn complete(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    bring_objects(transfer, backup)?;
    bring_list(transfer, backup)?;
    match choice.archive.is_complete(backup) {
        true => wal::of_backup(transfer, backup, &choice.archive).map(drop),
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
        match parse_commit_marker(&bytes, &key).map_err(|error| damaged(&key, error))?.summary.is_forged {
            true => Err(damaged(&key, "its signature is not one of this summary")),
            false => Ok(bytes),
        }
    })
}

/// All that the list names; whether any of it was there.
fn bring_objects(transfer: &Transfer<'_>, backup: &Summary) -> Result<bool> {
    let (mut was_there, met) = (false, transfer.met());
    let mut batch: Vec<ObjectLine> = Vec::new();
    let bring = |batch: &mut Vec<ObjectLine>| {
        workers::each(transfer.jobs(), std::mem::take(batch).into_iter(), |line| transfer.listed(&line))
    };
    healed(&transfer.from, || {
        let mut census = Census { reader: &transfer.to, directory: String::new(), sizes: BTreeMap::new() };
        batch.clear();
        objects_list::read(&transfer.from, &transfer.keys.objects(&backup.id), &backup.objects, |line| {
            match census.has(&line)? {
                true => was_there = true,
                false => batch.push(line),
            }
            if batch.len() >= BATCH { bring(&mut batch) } else { Ok(()) }
        })
    })?;
    bring(&mut batch)?;
    Ok(was_there || transfer.met() > met)
}

/// Read in full: nothing of the backup can be told there by a list that is damaged.
fn has_list(transfer: &Transfer<'_>, backup: &Summary) -> Result<bool> {
    let key = transfer.keys.objects(&backup.id);
    if transfer.to.stat_if_there(&key)?.is_none() {
        return Ok(false);
    }
    let read = objects_list::read(&transfer.to, &key, &backup.objects, |_| Ok(()));
    read.map(|()| true).map_err(|error| match error.code {
        Code::Damaged => {
            let message = format!("where it is to be copied to {}", error.message);
            Error::new(Code::Conflict, message).hint(MOVE_THERE)
        }
        _ => error,
    })
}

fn bring_list(transfer: &Transfer<'_>, backup: &Summary) -> Result<()> {
    if has_list(transfer, backup)? {
        return Ok(());
    }
    let key = transfer.keys.objects(&backup.id);
    transfer.listed(&ObjectLine { key, size: backup.objects.size, sha256: backup.objects.sha256 })
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
                Err(Error::new(Code::Conflict, message).hint(MOVE_THERE))
            }
        }
    }
}

/// A backup that is held here is held there.
fn hold(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<bool> {
    let now = transfer.route.now;
    let Some(hold) = choice.holds.get(&backup.id).filter(|hold| hold.counts_at(now)) else { return Ok(false) };
    hold::copied(&transfer.route.to, transfer.keys, hold, now).map(|()| true)
}

fn create(transfer: &Transfer<'_>, key: &Key, bytes: &[u8]) -> Result<()> {
    match transfer.creator.create(key, &mut Cursor::new(bytes)) {
        Err(StoreError::AlreadyExists { .. }) => Ok(transfer.creator.persist(key)?),
        created => Ok(created?),
    }
}
