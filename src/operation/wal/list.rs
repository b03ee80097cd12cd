//! `wal list`: what WAL there is, where it has holes and where it is damaged. Needs no key.

use crate::model::catalog::Summary;
use crate::model::error::Result;
use crate::model::plan::coverage::{ArchivedWal, Run, TimelineWal};
use crate::model::timeline::TimelineJson;
use crate::model::wal_name::TimelineId;
use crate::operation::catalog::{Catalog, choose_cluster};
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
    let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
    let expired = Expired { backups: catalog.into_summaries(), segment_size };
    let timelines = archive.timelines.iter();
    let timelines =
        timelines.map(|(id, wal)| timeline(&archive, *id, wal, facts.get(id), request.gaps, &expired)).collect();
    Ok(WalList {
        repository: opened.repository.url().to_owned(),
        cluster: opened.cluster.to_string(),
        timelines,
        damaged,
        shown: Shown { gaps_only: request.gaps, timeline: request.timeline },
    })
}

/// What expiry leaves of WAL: of backups that are older than the window their own segments, and all from one on.
struct Expired {
    backups: Vec<Summary>,
    segment_size: u64,
}

impl Expired {
    /// Whether expiry has taken what lay between two runs: one holds backups and no more, the other begins with one.
    fn left(&self, timeline: TimelineId, before: &Run, after: &Run) -> bool {
        let own = self.backups.iter().filter(|backup| backup.timeline == timeline);
        let own: Vec<(u64, u64)> = own
            .map(|b| (b.start_lsn.0 / self.segment_size, b.stop_lsn.0.saturating_sub(1) / self.segment_size))
            .collect();
        let within = |number| own.iter().any(|(first, last)| (*first..=*last).contains(&number));
        own.iter().any(|(first, _)| *first == after.first)
            && own.iter().any(|(first, _)| *first == before.first)
            && (before.first..=before.last).all(within)
    }
}

fn timeline(
    archive: &ArchivedWal,
    id: TimelineId,
    wal: &TimelineWal,
    facts: Option<&TimelineJson>,
    gaps: bool,
    expired: &Expired,
) -> Timeline {
    let name = |number| archive.name(id, number).to_string();
    let missing =
        |pair: &[Run]| if expired.left(id, &pair[0], &pair[1]) { 0 } else { pair[1].first - pair[0].last - 1 };
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
