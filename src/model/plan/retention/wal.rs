//! Which WAL backups and window need. A backup needs the segments from its start to its stop; what the window
//! rests on needs all that comes after, on every timeline that can be reached from it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::catalog::Summary;
use crate::model::timeline::{Timeline, TimelineJson};
use crate::model::wal_name::{Segment, SegmentName, TimelineId, WalName};

/// One object below `wal/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalObject {
    pub name: WalName,
    /// As stored.
    pub size: u64,
    /// By the store's clock.
    pub modified: Timestamp,
}

/// The WAL of one system identifier.
#[derive(Debug, Clone)]
pub struct Archive {
    objects: BTreeMap<WalName, WalObject>,
    timelines: BTreeMap<TimelineId, Timeline>,
    /// Segments by number.
    segments: BTreeSet<(TimelineId, u64)>,
    /// `None` where backups disagree: then no name tells where its WAL lies, and all of it is needed.
    segment_size: Option<u64>,
}

/// Segments of one timeline, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
}

impl Archive {
    /// `facts` is what `timeline.json` objects say.
    pub fn new<'b>(
        objects: impl IntoIterator<Item = WalObject>,
        facts: &BTreeMap<TimelineId, TimelineJson>,
        backups: impl IntoIterator<Item = &'b Summary>,
    ) -> Archive {
        let sizes: BTreeSet<u64> = backups.into_iter().map(|backup| backup.postgresql.wal_segment_size).collect();
        let segment_size = sizes.first().copied().filter(|size| sizes.len() == 1 && size.is_power_of_two());
        let timelines = facts.iter().filter_map(|(id, json)| Some((*id, json.timeline().ok()?)));
        let objects: BTreeMap<_, _> = objects.into_iter().map(|object| (object.name, object)).collect();
        let mut archive = Archive { objects, timelines: timelines.collect(), segments: BTreeSet::new(), segment_size };
        archive.count_segments();
        archive
    }

    fn count_segments(&mut self) {
        let numbered = |name: &WalName| match name {
            WalName::Segment(segment) => Some((segment.timeline, self.number(*segment)?)),
            _ => None,
        };
        self.segments = self.objects.keys().filter_map(numbered).collect();
    }

    fn number(&self, segment: SegmentName) -> Option<u64> {
        Some(segment.to_segment(self.segment_size?)?.number)
    }

    pub fn objects(&self) -> impl Iterator<Item = &WalObject> {
        self.objects.values()
    }

    /// What a recovery to the end of `backup` reads, and every history.
    pub fn needed_by(&self, backup: &Summary) -> Vec<WalObject> {
        let unneeded: BTreeSet<WalObject> = self.unneeded(&[backup], &[]).into_iter().collect();
        self.objects.values().filter(|object| !unneeded.contains(object)).copied().collect()
    }

    pub(super) fn without(&self, gone: &[WalObject]) -> Archive {
        let mut archive = self.clone();
        let gone: BTreeSet<WalName> = gone.iter().map(|object| object.name).collect();
        archive.objects.retain(|name, _| !gone.contains(name));
        archive.count_segments();
        archive
    }

    /// What is known of a timeline's past. The first one there ever was has none.
    fn history(&self, id: TimelineId) -> Option<Timeline> {
        self.timelines.get(&id).cloned().or_else(|| (id <= 1).then(|| Timeline::root(id)))
    }

    /// Whether a recovery from `backup` can follow `timeline`; in doubt it can.
    pub(super) fn leads_to(&self, backup: &Summary, timeline: TimelineId) -> bool {
        match self.history(timeline) {
            _ if backup.timeline == timeline => true,
            Some(history) => history.descends_from(backup.timeline, backup.stop_lsn),
            None => backup.timeline < timeline,
        }
    }

    /// The segments of `timeline` that a recovery from `backup` reads: to its end, or `onward`.
    fn range(&self, backup: &Summary, timeline: TimelineId, onward: bool) -> Option<Range> {
        let size = self.segment_size?;
        let first = backup.start_lsn.0 / size;
        let end = backup.stop_lsn.0.saturating_sub(1) / size;
        let last = if onward { u64::MAX } else { end };
        let range = |last| Some(Range { first, last });
        if timeline == backup.timeline {
            return range(last);
        }
        if timeline < backup.timeline {
            let Some(history) = self.history(backup.timeline) else { return range(end) };
            let ancestor = history.ancestors.iter().find(|ancestor| ancestor.timeline == timeline)?;
            return range(end.min(ancestor.switch_lsn.0 / size));
        }
        match self.history(timeline) {
            None => range(last),
            Some(_) if onward && self.leads_to(backup, timeline) => range(last),
            Some(history) => history.ancestors.iter().find(|a| a.timeline == backup.timeline).and_then(|_| range(end)),
        }
    }

    /// Every segment from start to stop is there, on one of the timelines that recovery looks at.
    pub fn is_complete(&self, backup: &Summary) -> bool {
        let (Some(own), known) = (self.range(backup, backup.timeline, false), self.known_timelines()) else {
            // Without a segment size nothing is known of it.
            return true;
        };
        self.holds_all(backup, &known, own, false)
    }

    /// From the backup's start to the newest segment of the newest timeline that it leads to.
    pub(super) fn reaches_the_end(&self, backup: &Summary) -> bool {
        let known = self.known_timelines();
        let Some(newest) = known.iter().next_back().copied() else { return false };
        let Some(own) = self.range(backup, backup.timeline, true).filter(|_| self.leads_to(backup, newest)) else {
            return false;
        };
        let path: BTreeSet<TimelineId> = known.into_iter().filter(|t| self.is_past_of(*t, newest)).collect();
        let last = self.segments.iter().filter(|(t, _)| path.contains(t)).map(|(_, number)| *number).max();
        last.is_some_and(|last| self.holds_all(backup, &path, Range { last: last.max(own.first), ..own }, true))
    }

    fn is_past_of(&self, timeline: TimelineId, newest: TimelineId) -> bool {
        let history = self.history(newest);
        timeline == newest || history.is_none_or(|h| h.ancestors.iter().any(|a| a.timeline == timeline))
    }

    fn holds_all(&self, backup: &Summary, timelines: &BTreeSet<TimelineId>, range: Range, onward: bool) -> bool {
        let within = |t: &TimelineId| Some((*t, self.range(backup, *t, onward)?));
        let ranges: Vec<(TimelineId, Range)> = timelines.iter().filter_map(within).collect();
        let holds =
            |number: u64| ranges.iter().any(|(t, r)| r.contains(number) && self.segments.contains(&(*t, number)));
        // More numbers than objects cannot all be there.
        let count = range.last.saturating_sub(range.first);
        count <= self.segments.len() as u64 && (range.first..=range.last).all(holds)
    }

    /// A backup's own, first and last.
    pub(super) fn segments_of(&self, backup: &Summary) -> Option<(u64, u64)> {
        let own = self.range(backup, backup.timeline, false)?;
        Some((own.first, own.last))
    }

    /// From `first` to the last segment without a hole on the way to `timeline` and along it.
    pub(super) fn run_from(&self, timeline: TimelineId, first: u64) -> Option<(u64, u64)> {
        let holds = |number: &u64| self.segments.contains(&(self.owner(timeline, *number), *number));
        let last = (first..=u64::MAX).take_while(holds).last()?;
        Some((first, last))
    }

    /// The timeline from which a recovery along `timeline` reads a segment: the newest that had begun by its end
    /// (`XLogFileReadAnyTLI`).
    pub(super) fn owner(&self, timeline: TimelineId, number: u64) -> TimelineId {
        let (Some(history), Some(size)) = (self.timelines.get(&timeline), self.segment_size) else { return timeline };
        let mut owner = timeline;
        for ancestor in history.ancestors.iter().rev() {
            if number >= ancestor.switch_lsn.0 / size {
                break;
            }
            owner = ancestor.timeline;
        }
        owner
    }

    /// A recovery that is to follow a timeline looks for its history.
    pub(super) fn has_history(&self, timeline: TimelineId) -> bool {
        timeline <= 1 || self.objects.contains_key(&WalName::History(timeline))
    }

    /// Those of a timeline after a segment, by number.
    pub fn after(&self, last: SegmentName) -> impl Iterator<Item = (u64, &WalObject)> {
        let number = self.number(last).unwrap_or(u64::MAX);
        let later = (last.timeline, number.saturating_add(1))..=(last.timeline, u64::MAX);
        self.segments.range(later).filter_map(|(timeline, number)| Some((*number, self.object(*timeline, *number)?)))
    }

    fn object(&self, timeline: TimelineId, number: u64) -> Option<&WalObject> {
        self.objects.get(&WalName::Segment(self.name(timeline, number)?))
    }

    /// When a segment was stored.
    pub fn stored(&self, segment: SegmentName) -> Option<Timestamp> {
        self.objects.get(&WalName::Segment(segment)).map(|object| object.modified)
    }

    /// Timelines that have segments, and no history that leads a recovery to them.
    pub fn without_history(&self) -> impl Iterator<Item = TimelineId> {
        let timelines: BTreeSet<TimelineId> = self.segments.iter().map(|(timeline, _)| *timeline).collect();
        timelines.into_iter().filter(|timeline| !self.has_history(*timeline))
    }

    pub(super) fn name(&self, timeline: TimelineId, number: u64) -> Option<SegmentName> {
        Some(Segment { timeline, number }.name(self.segment_size?))
    }

    pub(super) fn known_timelines(&self) -> BTreeSet<TimelineId> {
        self.objects.keys().map(WalName::timeline).collect()
    }

    /// What backups need of one timeline: those kept their own, the bases all that comes after.
    fn ranges(&self, kept: &[&Summary], bases: &[&Summary], timeline: TimelineId) -> Vec<Range> {
        let own = kept.iter().filter_map(|backup| self.range(backup, timeline, false));
        own.chain(bases.iter().filter_map(|backup| self.range(backup, timeline, true))).collect()
    }

    /// Without a segment size nothing is known, and all of it is needed.
    pub(super) fn needs_any_of(
        &self,
        kept: &[&Summary],
        bases: &[&Summary],
        timeline: TimelineId,
        (first, last): (u64, u64),
    ) -> bool {
        let ranges = self.ranges(kept, bases, timeline);
        self.segment_size.is_none() || ranges.iter().any(|range| range.first <= last && first <= range.last)
    }

    /// What none of the kept backups needs. History files are never among it.
    pub(super) fn unneeded(&self, kept: &[&Summary], bases: &[&Summary]) -> Vec<WalObject> {
        if kept.is_empty() || self.segment_size.is_none() {
            return Vec::new();
        }
        let ranges: BTreeMap<TimelineId, Vec<Range>> =
            self.known_timelines().into_iter().map(|timeline| (timeline, self.ranges(kept, bases, timeline))).collect();
        let is_needed = |name: &WalName| match name {
            WalName::History(_) => true,
            WalName::Segment(segment) | WalName::Partial(segment) | WalName::BackupHistory(segment, _) => {
                // A name that cannot exist is nobody's to delete.
                self.number(*segment).is_none_or(|n| ranges[&segment.timeline].iter().any(|r| r.contains(n)))
            }
        };
        self.objects.values().filter(|object| !is_needed(&object.name)).copied().collect()
    }
}

impl Range {
    fn contains(&self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }
}
