//! `undelete`: brings a dropped backup back, as long as all that it needs is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Cursor;

use super::generations;
use super::observed::wal;
use crate::model::catalog::{Summary, parse_commit_marker};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::plan::retention::Archive;
use crate::model::selector::Selector;
use crate::operation::catalog::read_small;
use crate::operation::{Context, objects_list, repository};
use crate::report::hold::Undeleted;
use crate::store::{self, Repository};

pub fn run(context: &Context, backup: &Selector) -> Result<Undeleted> {
    let repository = repository::open(&context.config)?;
    let (id, keys) = find(context, &repository, backup)?;
    let stopped = bring_back(&repository, &keys, &id)?.stopped;
    let next = context.command(&format!("hold {id} --reason 'brought back'"));
    Ok(Undeleted { repository: repository.url().to_owned(), id, stopped, next })
}

fn find(context: &Context, repository: &Repository, backup: &Selector) -> Result<(BackupId, ClusterKeys)> {
    let reader = repository.reader();
    let mut trashed = BTreeMap::new();
    for keys in generations(repository, context.config.name.as_ref())? {
        let there: BTreeSet<BackupId> =
            reader.list(&keys.backups())?.iter().filter_map(|entry| keys.backup_id_of(&entry.key)).collect();
        let ids = reader.list(&keys.trash())?.into_iter().filter_map(|entry| keys.trashed_id_of(&entry.key));
        trashed.extend(ids.filter(|id| !there.contains(id)).map(|id| (id, keys.clone())));
    }
    let ids: Vec<&BackupId> = trashed.keys().collect();
    let id = backup.resolve(&ids).map_err(|_| not_in_trash(backup, &ids))?.clone();
    let keys = trashed.remove(&id).ok_or_else(|| not_in_trash(backup, &[]))?;
    Ok((id, keys))
}

fn not_in_trash(backup: &Selector, ids: &[&BackupId]) -> Error {
    let there: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let there = if there.is_empty() { "none can".to_owned() } else { format!("these can: {}", there.join(", ")) };
    Error::new(Code::NotFound, format!("no one dropped backup {backup} can be brought back: {there}"))
        .hint("which are there: pgcairn list")
}

/// The commit marker comes back before the trash is looked at again: expiry deletes the trash before it reads the
/// commit markers, so one of both sees the other.
pub fn bring_back(repository: &Repository, keys: &ClusterKeys, id: &BackupId) -> Result<Summary> {
    let (reader, creator, trash) = (repository.reader(), repository.creator(), keys.trashed(id));
    let gone = || Error::new(Code::NotFound, format!("{trash} does not exist any more")).hint("pgcairn list");
    let marker = read_small(&reader, &trash)?.ok_or_else(gone)?;
    let parsed = parse_commit_marker(&marker, &keys.backup(id)).map_err(|error| {
        Error::new(Code::Damaged, format!("{trash}: {error}")).hint("use another backup: pgcairn list")
    });
    let summary = parsed?.summary;
    complete(repository, keys, &summary)?;
    match creator.create(&keys.backup(id), &mut Cursor::new(&marker)) {
        Err(store::Error::AlreadyExists { .. }) => creator.persist(&keys.backup(id))?,
        created => created?,
    }
    if read_small(&reader, &trash)?.is_none() {
        repository.remover().remove(&keys.backup(id))?;
        return Err(gone());
    }
    repository.remover().remove(&trash)?;
    Ok(summary)
}

/// Everything that the backup needs is there still.
fn complete(repository: &Repository, keys: &ClusterKeys, summary: &Summary) -> Result<()> {
    let reader = repository.reader();
    let mut there: HashMap<Key, u64> = HashMap::new();
    for directory in keys.parts() {
        there.extend(reader.list(&directory)?.into_iter().map(|entry| (entry.key, entry.size)));
    }
    let missing = |what: &str| {
        Error::new(Code::Damaged, format!("backup {} cannot be brought back: {what}", summary.id))
            .hint("use another backup: pgcairn list")
    };
    objects_list::read(&reader, &keys.objects(&summary.id), &summary.objects, |line| match there.get(&line.key) {
        Some(size) if *size == line.size => Ok(()),
        _ => Err(missing(&format!("{} is deleted", line.key))),
    })?;
    let (objects, timelines) = wal(&reader, keys)?;
    match Archive::new(objects, &timelines, [summary]).is_complete(summary) {
        true => Ok(()),
        false => Err(missing(&format!("its WAL from {} to {} is deleted", summary.start_lsn, summary.stop_lsn))),
    }
}
