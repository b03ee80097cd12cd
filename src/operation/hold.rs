//! `hold` and `release`: backups and dumps that expiry must keep. Needs no key.
//!
//! No lock: `hold` creates its object and then looks for the marker, expiry deletes the marker and then looks
//! for holds. Whoever comes second sees the other.

use std::collections::BTreeMap;
use std::io::Cursor;

use jiff::Timestamp;

use super::catalog::read_small;
use super::chosen::{self, Found, Kept};
use super::expire::{Observed, clock_skew};
use super::repository::{self, Opened};
use super::{Context, held_elsewhere, legal_hold};
use crate::model::deletion::{BEING_COPIED, BROUGHT_BACK, GRACE, Hold, LONGEST_SILENCE, MAX_CLOCK_SKEW};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::record;
use crate::model::selector::Selector;
use crate::model::shell_word::shell_word;
use crate::report::Listener;
use crate::report::hold::{Elsewhere, Held, Released};
use crate::store::{self, Creator, Reader, Repository};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub backup: Selector,
    pub reason: String,
    pub until: Option<Timestamp>,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Held> {
    if request.until.is_some_and(|until| until <= context.now) {
        let message = "the end of the hold is not in the future";
        return Err(Error::new(Code::Usage, message).hint("name a later --until, such as 30d, or leave it out"));
    }
    let repository = repository::open(&context.config)?;
    let all = (&repository, context.config.name.as_ref());
    let Found { id, opened: Opened { keys, .. }, what } = chosen::backup_or_dump(all, &request.backup)?;
    let hold = new(&id, &request.reason, request.until, context.now);
    place(&repository, &keys, &hold)?;
    let locked = match &what {
        Kept::Backup(backup) => legal_hold::put(&repository, &keys, &backup.summary)?,
        Kept::Dump(dump) => legal_hold::put_on_dump(&repository, &keys, &dump.summary)?,
    };
    let lacking = held_elsewhere::names(context, &keys, &id, false, listener);
    let not_held_in =
        lacking.into_iter().map(|name| Elsewhere { command: same(context, &name, &hold), name }).collect();
    let name = several(context);
    let next = context.command(if id.is_dump() { "dump list --held" } else { "list --held" });
    let repository = repository.url().to_owned();
    Ok(Held { repository, name, id, reason: hold.reason, until: hold.until, locked, not_held_in, next })
}

/// The name of the repository that is worked on, where there are others.
fn several(context: &Context) -> Option<String> {
    (!context.config.others.is_empty()).then(|| context.config.repository.name.clone())
}

/// The command that holds it there likewise.
fn same(context: &Context, name: &str, hold: &Hold) -> String {
    let until = hold.until.map(|until| format!(" --until {until}")).unwrap_or_default();
    let (id, name, reason) = (&hold.backup, shell_word(name), shell_word(&hold.reason));
    context.command(&format!("hold {id} --repository {name} --reason {reason}{until}"))
}

pub(super) fn new(id: &BackupId, reason: &str, until: Option<Timestamp>, now: Timestamp) -> Hold {
    Hold { format: record::FORMAT, backup: id.clone(), reason: reason.to_owned(), created: now, until }
}

/// Creates the hold; its backup or dump must still be there afterwards.
pub fn place(repository: &Repository, keys: &ClusterKeys, hold: &Hold) -> Result<()> {
    let (reader, id) = (repository.reader(), &hold.backup);
    if let Some(other) = read(&reader, keys, id)? {
        if other.counts_at(hold.created) && !is_by_the_way(&other) {
            let message = format!("{} {id} is held already: {}", id.noun(), other.reason);
            return Err(Error::new(Code::Conflict, message).hint(format!("to change it, first: pgcairn release {id}")));
        }
        repository.remover().remove(&keys.hold(id))?;
    }
    create(&repository.creator(), keys, hold)?;
    match reader.stat(&keys.marker_of(id)) {
        Ok(_) => Ok(()),
        Err(store::Error::NotFound { .. }) => {
            repository.remover().remove(&keys.hold(id))?;
            let message = format!("{} {id} was dropped a moment ago", id.noun());
            Err(Error::new(Code::NotFound, message).hint(format!("bring it back: pgcairn undelete {id}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The hold under which `undelete` works.
pub(super) fn for_undelete(repository: &Repository, keys: &ClusterKeys, id: &BackupId, now: Timestamp) -> Result<Hold> {
    let hold = new(id, BROUGHT_BACK, Some(after_grace(now)), now);
    if read(&repository.reader(), keys, id)?.is_some_and(|other| !other.counts_at(now)) {
        repository.remover().remove(&keys.hold(id))?;
    }
    create_by_both_clocks(repository, keys, &hold)
        .map_err(|error| error.hint(format!("set the wrong one, then: pgcairn undelete {id}")))?;
    Ok(hold)
}

/// The hold under which `copy` relies on what lies there of a backup that is none yet: one that is there and lasts, or
/// else a new one. A user's own keeps its reason.
pub(super) fn for_copy(repository: &Repository, keys: &ClusterKeys, id: &BackupId, now: Timestamp) -> Result<()> {
    let mut hold = new(id, BEING_COPIED, Some(after_grace(now)), now);
    if let Some(other) = read(&repository.reader(), keys, id)? {
        let lasts = now.checked_add(LONGEST_SILENCE).unwrap_or(Timestamp::MAX);
        if other.until.is_none() || other.created <= now && other.counts_at(lasts) {
            return Ok(());
        }
        if other.counts_at(now) {
            hold = Hold { until: other.until.max(hold.until), created: now, ..other };
        }
        repository.remover().remove(&keys.hold(id))?;
    }
    create_by_both_clocks(repository, keys, &hold)
        .map_err(|error| error.hint("set the wrong one, then: pgcairn copy --all"))
}

/// The hold that a backup has where it is copied from; a user's own stays.
pub(super) fn copied(repository: &Repository, keys: &ClusterKeys, hold: &Hold, now: Timestamp) -> Result<()> {
    if let Some(other) = read(&repository.reader(), keys, &hold.backup)? {
        if other.counts_at(now) && !is_by_the_way(&other) {
            return Ok(());
        }
        repository.remover().remove(&keys.hold(&hold.backup))?;
    }
    create(&repository.creator(), keys, hold)
}

/// Left by a command that was asked for something else; whoever asks for a hold replaces it.
fn is_by_the_way(hold: &Hold) -> bool {
    [BROUGHT_BACK, BEING_COPIED].contains(&hold.reason.as_str())
}

fn after_grace(now: Timestamp) -> Timestamp {
    now.checked_add(GRACE).unwrap_or(Timestamp::MAX)
}

/// Expiry goes by the store's clock: for it the hold may be over.
fn create_by_both_clocks(repository: &Repository, keys: &ClusterKeys, hold: &Hold) -> Result<()> {
    let (key, now) = (keys.hold(&hold.backup), hold.created);
    create(&repository.creator(), keys, hold)?;
    let store = repository.reader().stat(&key)?.modified;
    if now.duration_since(store).abs() > MAX_CLOCK_SKEW {
        // The reason is of more use than that this fails as well, for whoever may not delete.
        let _ = repository.remover().remove(&key);
        return Err(clock_skew(store, now));
    }
    Ok(())
}

/// Deletes holds of what is no backup, nor will be: whoever made them died before the commit.
pub(super) fn sweep(repository: &Repository, observed: &Observed, now: Timestamp) -> Result<()> {
    match nobodys(observed, now) {
        nobodys if nobodys.is_empty() => Ok(()),
        nobodys => remove_old(repository, &observed.keys, &nobodys, now),
    }
}

pub(super) fn has_nobodys(observed: &Observed, now: Timestamp) -> bool {
    !nobodys(observed, now).is_empty()
}

fn nobodys(observed: &Observed, now: Timestamp) -> Vec<&BackupId> {
    let is_young = |modified: Timestamp| now.duration_since(modified) < GRACE;
    let is_written = |id: &BackupId| {
        let mut parts = observed.parts.iter().filter(|entry| observed.keys.writer_of(&entry.key).as_ref() == Some(id));
        parts.any(|entry| is_young(entry.modified))
    };
    let nobodys = |id: &BackupId| !observed.is_there(id) && !observed.trash.contains_key(id) && !is_written(id);
    observed.holds.keys().filter(|id| nobodys(id)).collect()
}

/// Holds of these that were made longer than a grace time ago.
pub(super) fn remove_old(
    repository: &Repository,
    keys: &ClusterKeys,
    nobodys: &[&BackupId],
    now: Timestamp,
) -> Result<()> {
    for entry in repository.reader().list(&keys.holds())? {
        let is_nobodys = keys.held_by(&entry.key).is_some_and(|id| nobodys.contains(&&id));
        if is_nobodys && now.duration_since(entry.modified) >= GRACE {
            repository.remover().remove(&entry.key)?;
        }
    }
    Ok(())
}

/// Before the backup itself is committed, so that no expiry comes between.
pub(super) fn create(creator: &Creator, keys: &ClusterKeys, hold: &Hold) -> Result<()> {
    Ok(creator.create(&keys.hold(&hold.backup), &mut Cursor::new(record::to_line(hold)))?)
}

/// The hold of one backup. One that cannot be read holds for ever: nobody knows what it says.
pub(super) fn read(reader: &Reader, keys: &ClusterKeys, id: &BackupId) -> Result<Option<Hold>> {
    let key = keys.hold(id);
    let Some(bytes) = read_small(reader, &key)? else { return Ok(None) };
    let unreadable = |error| new(id, &format!("{key} is damaged: {error}"), None, Timestamp::MIN);
    Ok(Some(Hold::parse(&bytes, id).unwrap_or_else(unreadable)))
}

/// Holds of backups, of one system identifier.
pub(super) fn of_backups(reader: &Reader, keys: &ClusterKeys) -> Result<BTreeMap<BackupId, Hold>> {
    read_all(reader, keys, |id| !id.is_dump())
}

/// Holds of dumps, of one system identifier.
pub(super) fn of_dumps(reader: &Reader, keys: &ClusterKeys) -> Result<BTreeMap<BackupId, Hold>> {
    read_all(reader, keys, BackupId::is_dump)
}

/// One listing, one small read for each that is meant.
fn read_all(
    reader: &Reader,
    keys: &ClusterKeys,
    are_meant: impl Fn(&BackupId) -> bool,
) -> Result<BTreeMap<BackupId, Hold>> {
    let mut holds = BTreeMap::new();
    for entry in reader.list(&keys.holds())? {
        let Some(id) = keys.held_by(&entry.key).filter(&are_meant) else { continue };
        holds.extend(read(reader, keys, &id)?.map(|hold| (id, hold)));
    }
    Ok(holds)
}

pub fn release(context: &Context, backup: &Selector, listener: &dyn Listener) -> Result<Released> {
    let repository = repository::open(&context.config)?;
    let is_named = matches!(backup, Selector::Prefix(_));
    let held = |opened: &Opened| {
        // The latest is a backup, as everywhere.
        let holds = read_all(&repository.reader(), &opened.keys, |id| is_named || !id.is_dump())?;
        Ok(holds.into_iter().map(|(id, hold)| ((), id, hold)).collect())
    };
    let all = (&repository, context.config.name.as_ref());
    let Found { id, opened: Opened { keys, .. }, what: hold } =
        chosen::find(all, backup, held, |_, _| not_held(backup))?;
    legal_hold::take_off(&repository, &keys, &id)?;
    repository.remover().remove(&keys.hold(&id))?;
    let command = |name: &str| context.command(&format!("release {id} --repository {}", shell_word(name)));
    let holding = held_elsewhere::names(context, &keys, &id, true, listener);
    let still_held_in = holding.into_iter().map(|name| Elsewhere { command: command(&name), name }).collect();
    let (repository, next) = (repository.url().to_owned(), context.command("expire --dry-run"));
    Ok(Released { repository, name: several(context), id, reason: hold.reason, still_held_in, next })
}

fn not_held(backup: &Selector) -> Error {
    Error::new(Code::NotFound, format!("no backup {backup} is held"))
        .hint("which are: pgcairn list --held, and of dumps: pgcairn dump list --held")
}
