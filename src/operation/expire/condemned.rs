//! What nothing needs is condemned first and deleted a grace time later: a backup that was at work meanwhile, or one
//! that was brought back, is in view by then.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

use super::carry_out::Work;
use super::freed::{Amount, Freed};
use super::needs::{self, Doomed};
use super::observed::Observed;
use super::trash;
use crate::model::catalog::Summary;
use crate::model::deletion::{Condemned, GRACE, MAX_CONDEMNED, MAX_CONDEMNED_KEYS};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, Key};
use crate::model::plan::retention::{Plan, Policy};
use crate::model::record;
use crate::operation::failure;
use crate::report::{Listener, Quiet};
use crate::store::{Entry, Reader};

/// Deletes what was condemned long enough ago, or at once all that nothing needs.
pub fn purge(work: &Work<'_>, keys: &ClusterKeys, policy: &Policy) -> Result<Freed> {
    let (reader, remover) = (work.repository.reader(), work.repository.remover());
    let is_due = |entry: &Entry| work.at_once || work.now.duration_since(entry.modified) >= GRACE;
    let due: Vec<Entry> = reader.list(&keys.condemned())?.into_iter().filter(is_due).collect();
    // Before the backups are read: `undelete` creates the commit marker and then looks for the trash.
    trash::empty(work, keys, |id| !id.is_dump())?;
    let mut freed = Freed::default();
    if due.is_empty() && !work.at_once {
        return Ok(freed);
    }
    let observed = work.observe(keys)?;
    let trash = trash::summaries(&reader, &observed)?;
    let doomed = doomed(work, &observed, policy, &trash)?;
    if work.at_once {
        work.delete(&doomed, &mut freed)?;
        due.iter().try_for_each(|entry| remover.remove(&entry.key).map(drop))?;
        return Ok(freed);
    }
    let spared = needs::of(&reader, keys, &trash)?;
    let doomed: HashMap<&Key, &Doomed> = doomed.iter().map(|one| (&one.key, one)).collect();
    for entry in due {
        // What cannot be read is said when new is condemned, which looks at all.
        let Some(named) = read(&Quiet, &reader, &entry.key)? else { continue };
        let these: Vec<Doomed> = named.keys.iter().filter_map(|key| doomed.get(key).copied().cloned()).collect();
        work.delete(&these, &mut freed)?;
        // What the trash needs stays condemned, so that its own time does not begin anew.
        if !named.keys.iter().any(|key| spared.contains(key)) {
            remover.remove(&entry.key)?;
        }
    }
    Ok(freed)
}

/// What neither a backup needs that is there, nor one that can be brought back.
fn doomed(work: &Work<'_>, observed: &Observed, policy: &Policy, trash: &[Summary]) -> Result<Vec<Doomed>> {
    let kept: Vec<&Summary> = observed.backups.iter().chain(trash).collect();
    let wal = Plan::unneeded_wal_of_all(&observed.input(policy, work.now), trash);
    needs::garbage(&work.repository.reader(), observed, &work.gone.borrow(), &kept, &wal, work.now)
}

/// Names what nothing needs and what is not named yet.
pub fn condemn(work: &Work<'_>, keys: &ClusterKeys, policy: &Policy) -> Result<Freed> {
    let observed = work.observe(keys)?;
    let named = named(work.listener, &work.repository.reader(), &observed.condemned)?;
    let mut new = doomed(work, &observed, policy, &[])?;
    new.retain(|one| !named.contains(&one.key));
    for some in new.chunks(MAX_CONDEMNED_KEYS) {
        let of_these = some.iter().map(|one| one.key.clone()).collect();
        let condemned = Condemned { format: record::FORMAT, keys: of_these };
        let key = ClusterKeys::numbered(&keys.condemned(), work.now, rand::random());
        work.repository.creator().create(&key, &mut Cursor::new(record::to_line(&condemned)))?;
    }
    Ok(Freed { condemned: Amount::of(&new), ..Freed::default() })
}

/// All that these name.
pub fn named<'e>(
    listener: &dyn Listener,
    reader: &Reader,
    entries: impl IntoIterator<Item = &'e Entry>,
) -> Result<HashSet<Key>> {
    let mut named = HashSet::new();
    for entry in entries {
        named.extend(read(listener, reader, &entry.key)?.into_iter().flat_map(|condemned| condemned.keys));
    }
    Ok(named)
}

/// `None` where another run was faster, or where it cannot be read: then nothing of it is deleted.
fn read(listener: &dyn Listener, reader: &Reader, key: &Key) -> Result<Option<Condemned>> {
    let Some(object) = reader.find(key)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = object.take(MAX_CONDEMNED as u64).read_to_end(&mut bytes);
    read.map_err(|e| failure::unreadable(key, &e))?;
    match Condemned::parse(&bytes) {
        Ok(condemned) => Ok(Some(condemned)),
        Err(error) => {
            let message = format!("{key} is damaged: {error}");
            let hint = "move it out of the repository: what it named will be condemned again";
            listener.warning(Error::new(Code::Damaged, message).hint(hint));
            Ok(None)
        }
    }
}
