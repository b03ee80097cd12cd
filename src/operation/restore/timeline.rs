//! Which timeline recovery follows, and what the archive must hold of its history.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Request, Source, TimelineChoice, unreachable};
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::plan::coverage::ArchivedWal;
use crate::model::timeline::{Timeline, TimelineJson};
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::catalog::Catalog;
use crate::operation::wal::{descents, fetch};

/// The timeline that recovery follows.
pub(super) fn follow(
    source: &Source<'_>,
    request: &Request,
    catalog: &Catalog,
    wanted: Option<&Summary>,
    archive: &ArchivedWal,
) -> Result<Timeline> {
    let oldest = catalog.summaries().map(|backup| backup.timeline).min().unwrap_or(1);
    let id = match (request.timeline, wanted) {
        (TimelineChoice::Id(id), _) => id,
        (TimelineChoice::Current, Some(backup)) => backup.timeline,
        (TimelineChoice::Current, None) => newest_backup(source, catalog)?.timeline,
        (TimelineChoice::Latest, _) => latest(archive, wanted.map_or(oldest, |backup| backup.timeline))?,
    };
    if id == 1 {
        return Ok(Timeline::root(1));
    }
    history(source, id, matches!(request.timeline, TimelineChoice::Id(_)))
}

fn newest_backup<'c>(source: &Source<'_>, catalog: &'c Catalog) -> Result<&'c Summary> {
    let newest = catalog.summaries().max_by_key(|backup| backup.stopped);
    newest.ok_or_else(|| unreachable::no_backup(source, catalog))
}

/// The newest timeline there is. PostgreSQL asks for one `.history` after the other and takes a missing one
/// for the end (`findNewestTimeLine`); in an archive a missing one in the middle is a loss.
fn latest(archive: &ArchivedWal, from: TimelineId) -> Result<TimelineId> {
    let known: BTreeMap<_, _> = archive.timelines.range(from..).collect();
    let newest = known.keys().next_back().map_or(from, |id| **id);
    let missing = (from + 1..=newest).find(|id| !known.get(id).is_some_and(|wal| wal.history));
    match missing {
        None => Ok(newest),
        Some(id) => {
            let name = WalName::History(id);
            Err(Error::new(Code::WalGap, format!("{name} is missing, and the archive holds timeline {newest}"))
                .hint(format!("--timeline {} for the newest one that is proven, or --timeline {newest}", id - 1)))
        }
    }
}

fn history(source: &Source<'_>, id: TimelineId, asked: bool) -> Result<Timeline> {
    let name = WalName::History(id);
    let mut bytes = Vec::new();
    let found = fetch::read(&source.opened, &source.opener, &name, &mut |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    if found.is_none() {
        return Err(no_history(id, asked));
    }
    Timeline::parse(id, &bytes).map_err(|e| {
        Error::new(Code::Damaged, format!("{name} cannot be used: {e}"))
            .hint("put it back from pg_wal of a server of this cluster, or choose another --timeline: pgcairn wal list")
    })
}

/// `asked` for by number it is just not there; else the archive has lost it.
fn no_history(id: TimelineId, asked: bool) -> Error {
    let name = WalName::History(id);
    match asked {
        true => Error::new(Code::NotFound, format!("timeline {id} is not in the archive: {name} is missing"))
            .hint("the timelines there are: pgcairn wal list"),
        false => Error::new(Code::WalGap, format!("{name} is missing, and the archive holds timeline {id}"))
            .hint(format!("pgcairn init, where a server of this cluster still has {name} in its pg_wal")),
    }
}

/// What is said of the timeline in plaintext must be what its history says, where it is said.
pub(super) fn agree(
    source: &Source<'_>,
    timeline: &Timeline,
    facts: &BTreeMap<TimelineId, TimelineJson>,
) -> Result<()> {
    match facts.get(&timeline.id) {
        Some(found) if *found != TimelineJson::from(timeline) => {
            let (key, name) = (source.opened.keys.timeline_json(timeline.id), WalName::History(timeline.id));
            Err(descents::damaged(&key, &format!("it does not say what {name} says")))
        }
        _ => Ok(()),
    }
}

/// Those of the past, and all later ones: a server that opens takes the first number without a history
/// (`findNewestTimeLine`), and its timeline must not be one that the archive knows already.
pub(super) fn histories(timeline: &Timeline, archive: &ArchivedWal) -> Vec<TimelineId> {
    let past = timeline.ancestors.iter().map(|a| a.timeline).chain([timeline.id]);
    let later = archive.timelines.range((Bound::Excluded(timeline.id), Bound::Unbounded));
    past.chain(later.filter(|(_, wal)| wal.history).map(|(id, _)| *id)).filter(|id| *id > 1).collect()
}
