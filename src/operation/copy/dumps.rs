//! Dumps that a repository should get, and each of them, its marker last. Where only some backups go there are none.

use std::collections::{BTreeMap, BTreeSet};

use super::parts;
use super::transfer::Transfer;
use super::{Route, What};
use crate::model::deletion::Hold;
use crate::model::dump::{Marker, Summary, parse_marker};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::plan::dump_retention::{DumpInput, verdicts};
use crate::model::selector::Selector;
use crate::model::signature::Signed;
use crate::operation::catalog::read_small;
use crate::operation::dump::catalog::Dumps;
use crate::operation::failure::damaged;
use crate::operation::healed::healed;
use crate::operation::objects_list::ListOf;
use crate::operation::{hold as holds, legal_hold};
use crate::report::Listener;

pub struct DumpChoice {
    /// Newest first.
    pub wanted: Vec<Marker>,
    /// What the destination and the sources have.
    in_both: Vec<Marker>,
    holds: BTreeMap<BackupId, Hold>,
    /// Whose marker cannot be read, wherever it is.
    unreadable: Vec<(BackupId, Error)>,
}

impl DumpChoice {
    pub fn new(route: &Route, keys: &ClusterKeys, what: &What) -> Result<DumpChoice> {
        let (from, to) = (route.from.reader(), route.to.reader());
        let (source, there) = (Dumps::read(&from, keys)?, Dumps::read(&to, keys)?);
        let holds = holds::of_dumps(&from, keys)?;
        let is_there = |marker: &Marker| there.has(&marker.summary.id);
        let in_both = source.dumps.iter().filter(|marker| is_there(marker)).cloned().collect();
        let mut wanted: Vec<Marker> = source.dumps.iter().filter(|marker| !is_there(marker)).cloned().collect();
        let trashed = trashed(route, keys)?;
        match what {
            What::One(selector) => {
                wanted.retain(|marker| is_meant(selector, &marker.summary.id));
                if let Some(marker) = wanted.iter().find(|marker| trashed.contains(&marker.summary.id)) {
                    return Err(super::choose::dropped(route, &marker.summary.id));
                }
            }
            What::All | What::New => {
                wanted.retain(|marker| !trashed.contains(&marker.summary.id));
                leave_out_what_expires(route, &there.dumps, &holds, &mut wanted);
            }
        }
        wanted.sort_by_key(|marker| std::cmp::Reverse((marker.summary.finished, marker.summary.id.clone())));
        let lost = source.unreadable.into_iter().filter(|(id, _)| !there.has_sound(id) && !trashed.contains(id));
        let unreadable = lost.chain(there.unreadable.clone()).collect();
        Ok(DumpChoice { wanted, in_both, holds, unreadable })
    }
}

fn is_meant(selector: &Selector, id: &BackupId) -> bool {
    matches!(selector, Selector::Prefix(prefix) if id.as_str().starts_with(prefix))
}

/// What was dropped there and is not held since.
fn trashed(route: &Route, keys: &ClusterKeys) -> Result<BTreeSet<BackupId>> {
    let to = route.to.reader();
    let mut trashed: BTreeSet<BackupId> =
        to.list(&keys.trash())?.iter().filter_map(|entry| keys.trashed_id_of(&entry.key)).collect();
    let kept = holds::of_dumps(&to, keys)?;
    trashed.retain(|id| !kept.get(id).is_some_and(|hold| hold.counts_at(route.now)));
    Ok(trashed)
}

/// It would come and go for ever.
fn leave_out_what_expires(route: &Route, there: &[Marker], holds: &BTreeMap<BackupId, Hold>, wanted: &mut Vec<Marker>) {
    let Some(policy) = route.dump_retention.as_ref() else { return };
    let dumps: Vec<Marker> = there.iter().chain(wanted.iter()).cloned().collect();
    // A clock that is ahead must not let anything expire.
    let newest = dumps.iter().map(|marker| marker.summary.finished).max();
    let now = newest.map_or(route.now, |newest| newest.min(route.now));
    let verdicts = verdicts(&DumpInput { policy, dumps: &dumps, holds, proven: None, now });
    let is_kept = |id: &BackupId| verdicts.iter().any(|verdict| verdict.id == *id && verdict.rule.is_some());
    wanted.retain(|marker| is_kept(&marker.summary.id));
}

/// Those that came. What fails of one does not keep the others from it.
pub fn bring(transfer: &Transfer<'_>, what: &What, listener: &dyn Listener) -> Result<Vec<BackupId>> {
    let mut brought = Vec::new();
    if transfer.route.keep.is_some() && !matches!(what, What::One(_)) {
        return Ok(brought);
    }
    let choice = DumpChoice::new(transfer.route, transfer.keys, what)?;
    for Marker { summary, .. } in &choice.wanted {
        transfer.interrupt().check()?;
        listener.notice(format!("copying dump {} to {}", summary.id, transfer.route.name));
        if goes_on(transfer, &summary.id, copy(transfer, summary, &choice))? {
            brought.push(summary.id.clone());
        }
    }
    if *what == What::All {
        for Marker { summary, .. } in &choice.in_both {
            transfer.interrupt().check()?;
            goes_on(transfer, &summary.id, complete(transfer, summary, &choice))?;
        }
    }
    if !matches!(what, What::One(_)) {
        choice.unreadable.into_iter().for_each(|(id, error)| transfer.fail(format_args!("dump {id}"), error));
    }
    Ok(brought)
}

/// Whether it went well; where others may, that is only said.
fn goes_on(transfer: &Transfer<'_>, id: &BackupId, done: Result<()>) -> Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if super::is_of_this_backup(&error) => {
            transfer.fail(format_args!("dump {id}"), error);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn copy(transfer: &Transfer<'_>, dump: &Summary, choice: &DumpChoice) -> Result<()> {
    let marker = marker(transfer, dump)?;
    let of = ListOf::dump(transfer.keys, dump);
    let held = parts::hold(transfer, choice.holds.get(&dump.id))?;
    let (_, met) = parts::bring(transfer, &of)?;
    parts::commit(transfer, &of, &marker, met)?;
    if held {
        hold(transfer, dump, choice)?;
    }
    Ok(())
}

/// Once more, now that it is there: see backups.
fn hold(transfer: &Transfer<'_>, dump: &Summary, choice: &DumpChoice) -> Result<()> {
    match parts::hold(transfer, choice.holds.get(&dump.id))? {
        true => legal_hold::put_on_dump(&transfer.route.to, transfer.keys, dump).map(drop),
        false => Ok(()),
    }
}

/// What a dump that is there has lost meanwhile.
fn complete(transfer: &Transfer<'_>, dump: &Summary, choice: &DumpChoice) -> Result<()> {
    let of = ListOf::dump(transfer.keys, dump);
    parts::bring_objects(transfer, &of)?;
    parts::bring_list(transfer, &of)?;
    hold(transfer, dump, choice)
}

/// Byte for byte: it is signed as it is.
fn marker(transfer: &Transfer<'_>, dump: &Summary) -> Result<Vec<u8>> {
    let key = transfer.keys.dump(&dump.id);
    let gone =
        || Error::new(Code::NotFound, format!("dump {} was dropped a moment ago", dump.id)).hint("pgcairn dump list");
    healed(&transfer.from, || {
        let bytes = read_small(&transfer.from, &key)?.ok_or_else(gone)?;
        match parse_marker(&bytes, &key).map_err(|error| damaged(&key, error))?.signed {
            Signed::Wrong(_) => Err(damaged(&key, "its signature is not one of this summary")),
            _ => Ok(bytes),
        }
    })
}
