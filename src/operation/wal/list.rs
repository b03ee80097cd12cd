//! `wal list`: what WAL there is, where it has holes and where it is damaged. Needs no key.

use crate::model::error::Result;
use crate::model::plan::coverage::{ArchivedWal, TimelineWal};
use crate::model::timeline::TimelineJson;
use crate::model::wal_name::TimelineId;
use crate::operation::catalog::choose_cluster;
use crate::operation::wal::archived::{self, Listed};
use crate::operation::{Context, repository};
use crate::report::wal::{Range, Shown, Timeline, WalList};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Only runs of segments that a gap precedes; what is damaged is said in any case.
    pub gaps: bool,
    pub timeline: Option<TimelineId>,
}

pub fn run(context: &Context, request: &Request) -> Result<WalList> {
    let opened = choose_cluster(&context.config, repository::open(&context.config)?)?;
    let Listed { mut names, timelines: facts } = archived::list(&opened)?;
    let segment_size = archived::segment_size(&opened, &names)?;
    names.retain(|(name, _)| request.timeline.is_none_or(|wanted| wanted == name.timeline()));
    let damaged = archived::flaws(&opened, &names)?;
    let archive = ArchivedWal::new(segment_size, names);
    let timelines =
        archive.timelines.iter().map(|(id, wal)| timeline(&archive, *id, wal, facts.get(id), request.gaps)).collect();
    Ok(WalList {
        repository: opened.repository.url().to_owned(),
        cluster: opened.cluster.to_string(),
        timelines,
        damaged,
        shown: Shown { gaps_only: request.gaps, timeline: request.timeline },
    })
}

fn timeline(
    archive: &ArchivedWal,
    id: TimelineId,
    wal: &TimelineWal,
    facts: Option<&TimelineJson>,
    gaps: bool,
) -> Timeline {
    let name = |number| archive.name(id, number).to_string();
    let missing_before = std::iter::once(0).chain(wal.gaps().map(|(first, last)| last - first + 1));
    let range = |(run, missing_before): (&crate::model::plan::coverage::Run, u64)| Range {
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
