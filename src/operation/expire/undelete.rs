//! `undelete`: brings a dropped backup or dump back, as long as all that it needs is there, and holds it for a grace time: the
//! rule that dropped it would drop it again.

use std::collections::{BTreeSet, HashMap};
use std::io::Cursor;

use jiff::Timestamp;

use super::observed::newest_first;
use super::trash;
use crate::model::catalog::Summary;
use crate::model::deletion::Hold;
use crate::model::dump;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::selector::Selector;
use crate::operation::catalog::read_small;
use crate::operation::chosen::{self, Found};
use crate::operation::dump::catalog::OTHER_DUMP;
use crate::operation::repository::{self, Opened};
use crate::operation::wal::archived::Listed;
use crate::operation::{Context, hold, objects_list};
use crate::report::hold::Undeleted;
use crate::store::{self, Repository};

pub fn run(context: &Context, backup: &Selector) -> Result<Undeleted> {
    let repository = repository::open(&context.config)?;
    let Found { id, opened: Opened { keys, .. }, .. } = find(context, &repository, backup)?;
    let (stopped, hold) = bring_back(&repository, &keys, &id, context.now)?;
    let next = context.command(&format!("{} {id}", if id.is_dump() { "dump show" } else { "show" }));
    Ok(Undeleted { repository: repository.url().to_owned(), id, stopped, held_until: hold.until, next })
}

fn find(context: &Context, repository: &Repository, backup: &Selector) -> Result<Found<()>> {
    let reader = repository.reader();
    let is_named = matches!(backup, Selector::Prefix(_));
    let trashed = |Opened { keys, .. }: &Opened| {
        let trashed = reader.list(&keys.trash())?;
        // One that was dropped twice is there twice.
        let ids: BTreeSet<BackupId> = trashed.iter().filter_map(|entry| keys.trashed_id_of(&entry.key)).collect();
        let mut gone = Vec::new();
        // The latest is a backup, as everywhere.
        for id in ids.into_iter().filter(|id| is_named || !id.is_dump()) {
            if reader.stat_if_there(&keys.marker_of(&id))?.is_none() {
                gone.push(((), id, ()));
            }
        }
        Ok(gone)
    };
    chosen::find((repository, context.config.name.as_ref()), backup, trashed, |_, ids| not_in_trash(backup, ids))
}

fn not_in_trash(backup: &Selector, ids: &[&BackupId]) -> Error {
    let there: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let there = if there.is_empty() { "none can".to_owned() } else { format!("these can: {}", there.join(", ")) };
    Error::new(Code::NotFound, format!("no dropped backup {backup} can be brought back: {there}"))
        .hint("which are there: pgcairn list")
}

/// The hold comes first: expiry deletes the trash and then looks for holds, so one of both sees the other. What is in
/// the trash still stays, and all that it needs.
pub fn bring_back(
    repository: &Repository,
    keys: &ClusterKeys,
    id: &BackupId,
    now: Timestamp,
) -> Result<(Timestamp, Hold)> {
    let held = hold::read(&repository.reader(), keys, id)?.filter(|hold| hold.counts_at(now));
    let is_ours = held.is_none();
    let hold = match held {
        Some(hold) => hold,
        None => hold::for_undelete(repository, keys, id, now)?,
    };
    let back = under_hold(repository, keys, id);
    if back.is_err() && is_ours {
        // The reason is of more use than that this fails as well: the hold ends by itself.
        let _ = repository.remover().remove(&keys.hold(id));
    }
    Ok((back?, hold))
}

/// When it had ended.
fn under_hold(repository: &Repository, keys: &ClusterKeys, id: &BackupId) -> Result<Timestamp> {
    let (reader, creator) = (repository.reader(), repository.creator());
    let trash = newest_first(keys, reader.list(&keys.trash())?).remove(id).unwrap_or_default();
    let gone = || {
        let message = format!("the grace time of {} {id} is over, and it is deleted", id.noun());
        Error::new(Code::NotFound, message).hint(another(id))
    };
    let key = &trash.first().ok_or_else(gone)?.key;
    let marker = read_small(&reader, key)?.ok_or_else(gone)?;
    let ended = if id.is_dump() {
        let summary = trash::parse_dump(keys, key, id, &marker)?;
        complete_dump(repository, keys, &summary)?;
        summary.finished
    } else {
        let summary = trash::parse(keys, key, id, &marker)?;
        complete(repository, keys, &summary)?;
        summary.stopped
    };
    match creator.create(&keys.marker_of(id), &mut Cursor::new(&marker)) {
        Err(store::Error::AlreadyExists { .. }) => creator.persist(&keys.marker_of(id))?,
        created => created?,
    }
    Ok(ended)
}

fn another(id: &BackupId) -> &'static str {
    if id.is_dump() { OTHER_DUMP } else { "use another backup: pgcairn list" }
}

fn lost(id: &BackupId, what: &str) -> Error {
    let message = format!("{} {id} cannot be brought back: {what}", id.noun());
    Error::new(Code::Damaged, message).hint(another(id))
}

/// Everything of it is there still.
fn complete_dump(repository: &Repository, keys: &ClusterKeys, summary: &dump::Summary) -> Result<()> {
    let (reader, list) = (repository.reader(), keys.dump_objects(&summary.id));
    let entries = reader.list(&keys.dump_directory(&summary.id))?;
    let there: HashMap<Key, u64> = entries.into_iter().map(|entry| (entry.key, entry.size)).collect();
    if !there.contains_key(&list) {
        return Err(lost(&summary.id, &format!("{list} is deleted")));
    }
    objects_list::read(&reader, &list, &summary.objects, |line| match there.get(&line.key) {
        Some(size) if *size == line.size => Ok(()),
        _ => Err(lost(&summary.id, &format!("{} is deleted", line.key))),
    })
}

/// Everything that the backup needs is there still.
fn complete(repository: &Repository, keys: &ClusterKeys, summary: &Summary) -> Result<()> {
    let reader = repository.reader();
    let mut there: HashMap<Key, u64> = HashMap::new();
    for directory in keys.parts() {
        there.extend(reader.list(&directory)?.into_iter().map(|entry| (entry.key, entry.size)));
    }
    let missing = |what: &str| lost(&summary.id, what);
    let list = keys.objects(&summary.id);
    if reader.stat_if_there(&list)?.is_none() {
        return Err(missing(&format!("{list} is deleted")));
    }
    objects_list::read(&reader, &list, &summary.objects, |line| match there.get(&line.key) {
        Some(size) if *size == line.size => Ok(()),
        _ => Err(missing(&format!("{} is deleted", line.key))),
    })?;
    match Listed::read(&reader, keys)?.whole()?.archive([summary]).is_complete(summary) {
        true => Ok(()),
        false => Err(missing(&format!("its WAL from {} to {} is not all there", summary.start_lsn, summary.stop_lsn))),
    }
}
