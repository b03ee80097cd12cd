//! What a backup or dump consists of, from one repository to another; its marker last.

use std::collections::BTreeMap;
use std::io::Cursor;

use jiff::Timestamp;

use super::expiry::Expiry;
use super::transfer::Transfer;
use crate::flow::workers;
use crate::model::catalog::ObjectLine;
use crate::model::deletion::{COMMIT_WITHIN, Hold};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::operation::healed::healed;
use crate::operation::hold;
use crate::operation::objects_list::{self, ListOf};
use crate::store::{Error as StoreError, Reader};

const MOVE_THERE: &str = "move the damaged object out of that repository";

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

/// All that it consists of but the list, safe from any expiry that is at work there; that, and whether it is under a
/// hold.
pub fn bring(transfer: &Transfer<'_>, of: &ListOf<'_>) -> Result<(Expiry, bool)> {
    let mut met = bring_objects(transfer, of)?;
    if met || has_list(transfer, of)? {
        hold::for_copy(&transfer.route.to, transfer.keys, of.id, transfer.route.now)?;
        met = true;
    }
    // Whoever expires from here on sees this at work.
    let expiry = Expiry::at_work(transfer.route)?;
    if met {
        expiry.refuse(transfer, of.id)?;
        bring_objects(transfer, of)?;
    }
    Ok((expiry, met))
}

/// The list of objects and the marker, at once one after the other. Without a hold expiry soon takes what has the one and
/// not the other for dropped.
pub fn commit(transfer: &Transfer<'_>, of: &ListOf<'_>, marker: &[u8], under_hold: bool) -> Result<()> {
    let listed = Timestamp::now();
    bring_list(transfer, of)?;
    // Of a copy that stood still for longer than its hold lasts, expiry may have taken what it had brought.
    bring_objects(transfer, of)?;
    if !under_hold && Timestamp::now().duration_since(listed) > COMMIT_WITHIN {
        let message = "its last two objects took more than 30 minutes; run it again";
        return Err(Error::new(Code::Conflict, message).hint(format!("pgcairn copy {}", of.id)));
    }
    create(transfer, &transfer.keys.marker_of(of.id), marker)
}

/// All that the list names; whether any of it was there.
pub fn bring_objects(transfer: &Transfer<'_>, of: &ListOf<'_>) -> Result<bool> {
    let (mut was_there, met) = (false, transfer.met());
    let mut batch: Vec<ObjectLine> = Vec::new();
    let bring = |batch: &mut Vec<ObjectLine>| {
        workers::each(transfer.jobs(), std::mem::take(batch).into_iter(), |line| transfer.listed(&line))
    };
    healed(&transfer.from, || {
        let mut census = Census { reader: &transfer.to, directory: String::new(), sizes: BTreeMap::new() };
        batch.clear();
        objects_list::read(&transfer.from, &of.key, of.digest, |line| {
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
pub fn has_list(transfer: &Transfer<'_>, of: &ListOf<'_>) -> Result<bool> {
    let key = &of.key;
    if transfer.to.stat_if_there(key)?.is_none() {
        return Ok(false);
    }
    let read = objects_list::read(&transfer.to, key, of.digest, |_| Ok(()));
    read.map(|()| true).map_err(|error| match error.code {
        Code::Damaged => {
            let message = format!("where it is to be copied to {}", error.message);
            Error::new(Code::Conflict, message).hint(MOVE_THERE)
        }
        _ => error,
    })
}

pub fn bring_list(transfer: &Transfer<'_>, of: &ListOf<'_>) -> Result<()> {
    if has_list(transfer, of)? {
        return Ok(());
    }
    let (size, sha256) = (of.digest.size, of.digest.sha256);
    transfer.listed(&ObjectLine { key: of.key.clone(), size, sha256 })
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

/// What is held here is held there.
pub fn hold(transfer: &Transfer<'_>, held: Option<&Hold>) -> Result<bool> {
    let now = transfer.route.now;
    let Some(hold) = held.filter(|hold| hold.counts_at(now)) else { return Ok(false) };
    hold::copied(&transfer.route.to, transfer.keys, hold, now).map(|()| true)
}

fn create(transfer: &Transfer<'_>, key: &Key, bytes: &[u8]) -> Result<()> {
    match transfer.creator.create(key, &mut Cursor::new(bytes)) {
        Err(StoreError::AlreadyExists { .. }) => Ok(transfer.creator.persist(key)?),
        created => Ok(created?),
    }
}
