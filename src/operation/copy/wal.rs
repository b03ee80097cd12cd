//! WAL on its way from one repository to another.

use std::collections::BTreeSet;

use super::Route;
use super::choose::Choice;
use super::transfer::Transfer;
use crate::flow::workers;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, Key};
use crate::model::plan::retention::{Archive, WalObject};
use crate::model::wal_name::WalName;
use crate::store::Reader;

/// From the start of a backup to its stop, and every history: they tell how timelines hang together. Whether any of the
/// WAL was there.
pub fn of_backup(transfer: &Transfer<'_>, backup: &Summary, archive: &Archive) -> Result<bool> {
    if !archive.is_complete(backup) {
        let message = format!("backup {} is not copied: WAL that it needs is missing", backup.id);
        return Err(Error::new(Code::WalGap, message).hint("see what is missing: pgcairn wal list --gaps"));
    }
    let needed = archive.needed_by(backup);
    bring(transfer, needed.into_iter(), |name| transfer.archived(name))
}

/// All that is not there, but for what expiry would drop there.
pub fn follow(transfer: &Transfer<'_>, choice: &Choice) -> Result<()> {
    let unneeded = choice.unneeded_wal(transfer.route);
    let needed = choice.archive.objects().filter(|object| !unneeded.contains(&object.name)).copied();
    // Later backups are not to wait for a segment that is lost.
    bring(transfer, needed, |key| match transfer.archived(key) {
        Err(error) if error.code == Code::Damaged => {
            transfer.fail(key, error);
            Ok(())
        }
        Err(error) if error.code == Code::NotFound => Ok(()),
        ended => ended,
    })
    .map(drop)
}

/// What [`follow`] would bring.
pub fn missing(route: &Route, keys: &ClusterKeys, choice: &Choice) -> Result<Vec<WalObject>> {
    let there = stored(&route.to.reader(), keys)?;
    let unneeded = choice.unneeded_wal(route);
    let is_missing = |o: &&WalObject| !unneeded.contains(&o.name) && !there.contains(&keys.wal_file(&o.name));
    Ok(choice.archive.objects().filter(is_missing).copied().collect())
}

fn stored(reader: &Reader, keys: &ClusterKeys) -> Result<BTreeSet<Key>> {
    Ok(reader.list(&keys.wal())?.into_iter().map(|entry| entry.key).collect())
}

/// Oldest first, and histories before them. Whether any but these was there.
fn bring(
    transfer: &Transfer<'_>,
    objects: impl Iterator<Item = WalObject>,
    copy: impl Fn(&Key) -> Result<()> + Sync,
) -> Result<bool> {
    let keys = transfer.keys;
    let there = stored(&transfer.to, keys)?;
    timelines(transfer, &there)?;
    let (present, mut missing): (Vec<WalName>, Vec<WalName>) =
        objects.map(|object| object.name).partition(|name| there.contains(&keys.wal_file(name)));
    missing.sort_by_key(|name| (!matches!(name, WalName::History(_)), *name));
    workers::each(transfer.jobs(), missing.into_iter(), |name| copy(&keys.wal_file(&name)))?;
    Ok(present.iter().any(|name| !matches!(name, WalName::History(_))))
}

/// What is known of timelines without a key.
fn timelines(transfer: &Transfer<'_>, there: &BTreeSet<Key>) -> Result<()> {
    let listed = transfer.from.list(&transfer.keys.wal())?;
    let facts = listed.into_iter().map(|entry| entry.key).filter(|key| transfer.keys.timeline_of(key).is_some());
    facts.filter(|key| !there.contains(key)).try_for_each(|key| transfer.plain(&key))
}
