//! Reads the WAL that recovery would read, decrypted, record by record, before anything is written.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Source;
use super::commit_marker::contradiction;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::plan::coverage::ArchivedWal;
use crate::model::plan::target::{Reach, Side, Target, TargetSearch, Verdict};
use crate::model::sha256::Sha256Sum;
use crate::model::timeline::Timeline;
use crate::model::timestamp::TimestampTz;
use crate::model::wal::{Break, Event, Outcome, Record, WalFormat, WalIdentity, WalReader};
use crate::model::wal_name::{Segment, WalName};
use crate::operation::failure::OTHER_BACKUP;
use crate::operation::wal::fetch;
use crate::report::{Listener, Phase, Progress};

/// What was read.
pub struct Scanned {
    pub verdict: Verdict,
    pub reach: Reach,
    /// Of the last commit that recovery applies.
    pub last_commit: Option<TimestampTz>,
    /// The segments that recovery needs, in order, and what each of them holds.
    pub segments: Vec<Segment>,
    pub digests: BTreeMap<Segment, Sha256Sum>,
    /// Where the chain of records breaks, if that is why reading ended.
    pub broken: Option<Break>,
    /// The segment that is not there, where reading ended for lack of it.
    missing: Option<Segment>,
    pub timeline: Timeline,
    /// Stop LSN of the backup.
    consistent_at: Lsn,
    /// Where WAL says that the backup ends.
    backup_end: Option<Lsn>,
}

/// From the start of the backup until the stopping point is decided, or as far as the archive goes.
pub fn scan(
    source: &Source<'_>,
    archive: &ArchivedWal,
    backup: &Summary,
    timeline: &Timeline,
    wanted: &Target,
    listener: &dyn Listener,
) -> Result<Scanned> {
    let size = backup.postgresql.wal_segment_size;
    let identity = identity(backup)?;
    let mut reader = WalReader::at_record(identity, backup.timeline, backup.start_lsn);
    let search = TargetSearch::new(wanted.clone(), backup.start_lsn, backup.stop_lsn);
    let mut search = Search { search, commits: [None; 2], start: backup.start_lsn, backup_end: None };
    let (mut segments, mut digests, mut broken, mut missing, mut floor) = (Vec::new(), BTreeMap::new(), None, None, 0);
    let mut number = backup.start_lsn.0 / size;
    while !search.search.is_decided() && broken.is_none() {
        source.context.interrupt.check()?;
        let candidates = timeline.candidates(number, size, floor);
        let Some(segment) = candidates.iter().copied().find(|segment| archive.holds(*segment)) else {
            missing = Some(candidates.first().copied().unwrap_or(Segment { timeline: timeline.id, number }));
            break;
        };
        let before = search.search.reach().clone();
        let read = read_segment(source, segment, size, &mut reader, &mut search);
        let (digest, ended) = read.map_err(|error| led_before(error, &before, backup.stop_lsn))?;
        broken = ended;
        digests.insert(segment, digest);
        segments.push(segment);
        floor = segment.timeline;
        number += 1;
        let bytes_done = segments.len() as u64 * size;
        listener.progress(Progress { bytes_done, ..Progress::new(Phase::ReadingWal) });
    }
    let backup_end = search.backup_end;
    let (verdict, reach, last_commit) = search.finish();
    Ok(Scanned {
        verdict,
        reach,
        last_commit,
        segments,
        digests,
        broken,
        missing,
        timeline: timeline.clone(),
        consistent_at: backup.stop_lsn,
        backup_end,
    })
}

/// The search, and the last two commits that it has seen before it was decided.
struct Search {
    search: TargetSearch,
    commits: [Option<(Lsn, TimestampTz)>; 2],
    /// Of the backup, and where WAL says that it ends.
    start: Lsn,
    backup_end: Option<Lsn>,
}

impl Search {
    fn observe(&mut self, record: &Record) {
        if let (false, Some(Event::TransactionEnd(end))) = (self.search.is_decided(), &record.event)
            && end.outcome == Outcome::Commit
        {
            self.commits = [self.commits[1], Some((record.lsn, end.time))];
        }
        if record.event == Some(Event::BackupEnd { start: self.start }) {
            self.backup_end = Some(record.end);
        }
        self.search.observe(record);
    }

    /// The commit that recovery stops before is not applied.
    fn finish(self) -> (Verdict, Reach, Option<TimestampTz>) {
        let [before, last] = self.commits;
        let (verdict, reach) = self.search.finish();
        let not_applied = match &verdict {
            Verdict::Stops(stop) if stop.side == Side::Before => last.is_some_and(|(lsn, _)| lsn == stop.record),
            _ => false,
        };
        let applied = if not_applied { before } else { last };
        (verdict, reach, applied.map(|(_, time)| time))
    }
}

fn identity(backup: &Summary) -> Result<WalIdentity> {
    let major = backup.postgresql.major();
    let format = WalFormat::of_major(major).ok_or_else(|| {
        Error::new(Code::Refused, format!("backup {} is of PostgreSQL {major}, 14 to 19 are supported", backup.id))
            .hint(format!("which version made it, and can restore it: pgcairn show {}", backup.id))
    })?;
    let segment_size = backup.postgresql.wal_segment_size;
    Ok(WalIdentity { format, system_identifier: Some(backup.system_identifier), segment_size })
}

/// Feeds one segment; a break is an answer, a damaged object is an error.
fn read_segment(
    source: &Source<'_>,
    segment: Segment,
    size: u64,
    reader: &mut WalReader,
    search: &mut Search,
) -> Result<(Sha256Sum, Option<Break>)> {
    let name = WalName::Segment(segment.name(size));
    let mut broken = None;
    let facts = fetch::read(&source.opened, &source.opener, &name, &mut |pages| {
        if broken.is_none() {
            broken = reader.feed(segment.timeline, pages, &mut |record| search.observe(record)).err();
        }
        Ok(())
    })?;
    let facts = facts.ok_or_else(|| {
        Error::new(Code::WalGap, format!("{name} vanished from the archive while it was read"))
            .hint("run the same command again")
    })?;
    if facts.length != size {
        let length = facts.length;
        return Err(Error::new(
            Code::Damaged,
            format!("{name} has {length} bytes, a segment of this cluster has {size}"),
        ));
    }
    Ok((facts.sha256, broken))
}

impl Scanned {
    /// PostgreSQL takes the end of a backup from its record in WAL (`xlog_redo`), we take it from the commit
    /// marker, which nothing authenticates yet. A standby writes no such record.
    pub fn check_stop(&self, source: &Source<'_>, backup: &Summary) -> Result<()> {
        let says = match self.backup_end {
            _ if backup.standby => return Ok(()),
            Some(end) if end == backup.stop_lsn => return Ok(()),
            Some(end) => format!("at {end}"),
            None if matches!(self.verdict, Verdict::Stops(_) | Verdict::ReadsAll) => "later".to_owned(),
            // Refused in any case: the copy does not become consistent.
            None => return Ok(()),
        };
        let reason = format!("it says that the backup stops at {}, its WAL says {says}", backup.stop_lsn);
        Err(contradiction(&source.opened.keys, backup, reason))
    }

    /// Refuses what would stop short in silence: a break in the chain of records, or a missing segment
    /// that others follow.
    pub fn refuse_hole(&self, archive: &ArchivedWal) -> Result<()> {
        if let Some(broken) = &self.broken {
            return Err(Error::new(
                Code::WalGap,
                format!("the records in the archive are broken at {}: {}", broken.at, broken.reason),
            )
            .hint(self.last_moment()));
        }
        let Some(missing) = self.missing else { return Ok(()) };
        let timelines = self.timeline.ancestors.iter().map(|a| a.timeline).chain([self.timeline.id]);
        match archive.last_number(timelines) {
            Some(last) if last > missing.number => {
                let (first, last) = (missing.name(archive.segment_size), archive.name(self.timeline.id, last));
                Err(Error::new(Code::WalGap, format!("segment {first} is missing, and the archive goes on to {last}"))
                    .hint(self.last_moment()))
            }
            _ => Ok(()),
        }
    }

    fn last_moment(&self) -> String {
        last_moment(&self.reach, self.consistent_at)
    }

    pub fn latest_time(&self) -> Option<Timestamp> {
        latest_time(&self.reach, self.consistent_at)
    }
}

/// Where the segment behind `reach` cannot be used.
fn led_before(error: Error, reach: &Reach, consistent_at: Lsn) -> Error {
    match error.code {
        Code::Damaged => error.hint(last_moment(reach, consistent_at)),
        _ => error,
    }
}

/// As a hint: the latest targets that are proven.
fn last_moment(reach: &Reach, consistent_at: Lsn) -> String {
    match latest_time(reach, consistent_at) {
        _ if reach.last < consistent_at => OTHER_BACKUP.to_owned(),
        Some(time) => format!("--to '{time}' or --to-lsn {}, the last that can be reached", reach.last),
        None => format!("--to-lsn {}, the last that can be reached", reach.last),
    }
}

/// Recovery that stops before the copy is consistent opens nothing.
fn latest_time(reach: &Reach, consistent_at: Lsn) -> Option<Timestamp> {
    reach.greatest_time.filter(|(_, at)| consistent_at <= *at)?;
    reach.latest_time_target(true)?.to_jiff()
}
