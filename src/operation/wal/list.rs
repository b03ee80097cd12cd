//! `wal list`: what WAL there is, where it has holes and where it is damaged. Needs no key.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::catalog::Summary;
use crate::model::error::Result;
use crate::model::plan::coverage::{ArchivedWal, Run, TimelineWal};
use crate::model::plan::retention::{Archive, Input, Plan, Policy};
use crate::model::timeline::TimelineJson;
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::catalog::{Catalog, choose_cluster};
use crate::operation::repository::Opened;
use crate::operation::wal::archived::{self, Listed};
use crate::operation::{Context, healed, repository};
use crate::report::Listener;
use crate::report::wal::{Range, Shown, Timeline, WalList};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Only runs of segments that a gap precedes; what is damaged is said in any case.
    pub gaps: bool,
    pub timeline: Option<TimelineId>,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<WalList> {
    let opened = choose_cluster(&context.config, repository::open_all(&context.config, listener)?)?;
    let listed = Listed::read(&opened.repository.reader(), &opened.keys)?;
    listed.unreadable.iter().for_each(|damaged| listener.warning(damaged.as_error()));
    healed::say(&opened.repository.reader(), listener);
    look(&opened, &listed, context.config.retention_of(&context.config.repository), request, context.now)
}

/// In an opened repository that expires by `policy`.
pub fn look(
    opened: &Opened,
    listed: &Listed,
    policy: Option<&Policy>,
    request: &Request,
    now: Timestamp,
) -> Result<WalList> {
    let timelines = timelines(opened, listed, policy, request, now)?;
    let mut segments = wanted(listed, request);
    segments.retain(|(name, _)| matches!(name, WalName::Segment(_)));
    let damaged = archived::flaws(opened, &segments)?;
    Ok(WalList {
        repository: opened.repository.url().to_owned(),
        cluster: opened.cluster.to_string(),
        timelines,
        damaged,
        shown: Shown { gaps_only: request.gaps, timeline: request.timeline },
    })
}

fn wanted(listed: &Listed, request: &Request) -> Vec<(WalName, u64)> {
    let mut names = listed.sizes();
    names.retain(|(name, _)| request.timeline.is_none_or(|wanted| wanted == name.timeline()));
    names
}

/// By their names alone.
pub fn timelines(
    opened: &Opened,
    listed: &Listed,
    policy: Option<&Policy>,
    request: &Request,
    now: Timestamp,
) -> Result<Vec<Timeline>> {
    let segment_size = archived::segment_size(opened, &listed.sizes())?;
    let names = wanted(listed, request);
    let archive = ArchivedWal::new(segment_size, names);
    let promised = Promised::read(opened, listed, policy, now)?;
    let timelines = archive.timelines.iter();
    Ok(timelines
        .map(|(id, wal)| timeline(&archive, *id, wal, listed.timelines.get(id), request.gaps, promised.as_ref()))
        .collect())
}

/// What is missing matters where a backup or the window needs it. Without retention nothing is ever deleted, and all of
/// it matters.
struct Promised {
    policy: Policy,
    backups: Vec<Summary>,
    wal: Archive,
    now: Timestamp,
}

impl Promised {
    /// `None` where all of it matters: a backup that cannot be read may need anything.
    fn read(opened: &Opened, listed: &Listed, policy: Option<&Policy>, now: Timestamp) -> Result<Option<Promised>> {
        let Some(policy) = policy.cloned() else { return Ok(None) };
        let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
        if !catalog.unreadable.is_empty() {
            return Ok(None);
        }
        let backups = catalog.into_summaries();
        let wal = listed.archive(&backups);
        Ok(Some(Promised { policy, backups, wal, now }))
    }

    fn needs(&self, timeline: TimelineId, first: u64, last: u64) -> bool {
        let Promised { policy, backups, wal, now } = self;
        let input = Input { policy, backups, holds: &BTreeMap::new(), proven: None, wal, now: *now };
        Plan::needs_any_of(&input, timeline, first, last)
    }
}

fn timeline(
    archive: &ArchivedWal,
    id: TimelineId,
    wal: &TimelineWal,
    facts: Option<&TimelineJson>,
    gaps: bool,
    promised: Option<&Promised>,
) -> Timeline {
    let name = |number| archive.name(id, number).to_string();
    let missing = |pair: &[Run]| {
        let (first, last) = (pair[0].last + 1, pair[1].first - 1);
        if promised.is_none_or(|promised| promised.needs(id, first, last)) { last + 1 - first } else { 0 }
    };
    let missing_before = std::iter::once(0).chain(wal.runs.windows(2).map(missing));
    let range = |(run, missing_before): (&Run, u64)| Range {
        first: name(run.first),
        last: name(run.last),
        segments: run.segments(),
        stored_bytes: run.stored_bytes,
        missing_before,
    };
    let ranges = wal.runs.iter().zip(missing_before).map(range);
    Timeline {
        timeline: id,
        parent: facts.map(|facts| facts.parent),
        switched_at: facts.map(|facts| facts.switch_lsn),
        ranges: ranges.filter(|range| !gaps || range.missing_before > 0).collect(),
    }
}
