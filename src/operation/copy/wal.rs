//! WAL on its way from one repository to another.

use std::collections::BTreeMap;

use super::Route;
use super::choose::Choice;
use super::transfer::{Transfer, damaged_there};
use crate::flow::workers;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, Key};
use crate::model::plan::retention::{Archive, WalObject};
use crate::model::wal_name::WalName;
use crate::operation::wal::descents;
use crate::store::Reader;

/// From the start of a backup to its stop, and every history: they tell how timelines hang together. Whether any of the
/// WAL was there.
pub fn of_backup(transfer: &Transfer<'_>, backup: &Summary, archive: &Archive) -> Result<bool> {
    if !archive.is_complete(backup) {
        let message = format!("backup {} is not copied: WAL that it needs is missing", backup.id);
        return Err(Error::new(Code::WalGap, message).hint("see what is missing: pgcairn wal list --gaps"));
    }
    let needed = archive.needed_by(backup);
    bring(transfer, needed.into_iter(), |_, wrong| Err(wrong), |key| transfer.archived(key))
}

/// All that is not there, but for what expiry would drop there.
pub fn follow(transfer: &Transfer<'_>, choice: &Choice) -> Result<()> {
    let unneeded = choice.unneeded_wal(transfer.route);
    let needed = choice.archive.objects().filter(|object| !unneeded.contains(&object.name)).copied();
    // Later backups are not to wait for a segment that is lost.
    let told = |key: &Key, error| {
        transfer.fail(key, error);
        Ok(())
    };
    bring(transfer, needed, told, |key| match transfer.archived(key) {
        Err(error) if error.code == Code::Damaged => told(key, error),
        Err(error) if error.code == Code::NotFound => Ok(()),
        ended => ended,
    })
    .map(drop)
}

/// What [`follow`] would bring.
pub fn missing(route: &Route, keys: &ClusterKeys, choice: &Choice) -> Result<Vec<WalObject>> {
    let there = stored(&route.to.reader(), keys)?;
    let unneeded = choice.unneeded_wal(route);
    let is_missing = |o: &&WalObject| !unneeded.contains(&o.name) && !there.contains_key(&keys.wal_file(&o.name));
    Ok(choice.archive.objects().filter(is_missing).copied().collect())
}

/// With their sizes.
fn stored(reader: &Reader, keys: &ClusterKeys) -> Result<BTreeMap<Key, u64>> {
    Ok(reader.list(&keys.wal())?.into_iter().map(|entry| (entry.key, entry.size)).collect())
}

/// Oldest first, and histories before them. Whether any but these was there; what lies there and is `wrong` is not
/// overwritten.
fn bring(
    transfer: &Transfer<'_>,
    objects: impl Iterator<Item = WalObject>,
    wrong: impl Fn(&Key, Error) -> Result<()>,
    copy: impl Fn(&Key) -> Result<()> + Sync,
) -> Result<bool> {
    let keys = transfer.keys;
    let there = stored(&transfer.to, keys)?;
    timelines(transfer, &there)?;
    let (present, mut missing): (Vec<WalObject>, Vec<WalObject>) =
        objects.partition(|object| there.contains_key(&keys.wal_file(&object.name)));
    for object in &present {
        let key = keys.wal_file(&object.name);
        match there.get(&key).filter(|size| **size != object.size).map(|size| transfer.sound_there(&object.name, *size))
        {
            Some(Err(error)) if error.code == Code::Conflict => wrong(&key, error)?,
            Some(ended) => ended?,
            None => {}
        }
    }
    missing.sort_by_key(|object| (!matches!(object.name, WalName::History(_)), object.name));
    workers::each(transfer.jobs(), missing.into_iter(), |object| copy(&keys.wal_file(&object.name)))?;
    Ok(present.iter().any(|object| !matches!(object.name, WalName::History(_))))
}

/// What is known of timelines without a key. One that says nothing is not copied on.
fn timelines(transfer: &Transfer<'_>, there: &BTreeMap<Key, u64>) -> Result<()> {
    for entry in transfer.from.list(&transfer.keys.wal())? {
        let Some(timeline) = transfer.keys.timeline_of(&entry.key) else { continue };
        match there.get(&entry.key) {
            Some(size) if *size == entry.size => {}
            Some(_) => {
                if let Some(Err(damaged)) = descents::read(&transfer.to, &entry.key, timeline)? {
                    transfer.fail(&entry.key, damaged_there(&transfer.route.name, &entry.key, damaged.as_error()));
                }
            }
            None => match descents::read(&transfer.from, &entry.key, timeline)? {
                Some(Err(damaged)) => transfer.fail(&entry.key, damaged.as_error()),
                Some(Ok(_)) => transfer.plain(&entry.key)?,
                None => {}
            },
        }
    }
    Ok(())
}
