//! Timeline, backup and stopping point: what recovery will do, proven over the WAL itself.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::scan::{Scanned, scan};
use super::{Request, Source, TimelineChoice};
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::plan::coverage::ArchivedWal;
use crate::model::plan::target::{Reach, StopPoint, Target, Unreachable, Verdict};
use crate::model::timeline::{Timeline, TimelineJson};
use crate::model::timestamp::TimestampTz;
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::catalog::Catalog;
use crate::operation::wal::{archived, fetch};
use crate::report::{Listener, Phase};

/// What will be restored.
pub struct Chosen {
    pub backup: Summary,
    pub timeline: Timeline,
    /// `None` where recovery reads all WAL.
    pub stop: Option<StopPoint>,
    pub scanned: Scanned,
    /// Whose `.history` files recovery must find.
    pub histories: Vec<TimelineId>,
}

impl Chosen {
    /// Decompressed bytes of the segments that recovery needs.
    pub fn wal_bytes(&self) -> u64 {
        self.scanned.segments.len() as u64 * self.backup.postgresql.wal_segment_size
    }
}

pub fn choose(source: &Source<'_>, request: &Request, listener: &dyn Listener) -> Result<Chosen> {
    let catalog = Catalog::read(&source.opened.repository.reader(), &source.opened.keys)?;
    let (archive, facts) = archived::read(&source.opened)?;
    let wanted = request.backup.as_ref().map(|selector| catalog.select(selector)).transpose()?;
    if wanted.is_none() {
        catalog.unreadable.iter().for_each(|unreadable| listener.warning(unreadable.as_error()));
    }
    let timeline = timeline(source, request, &catalog, wanted, &archive)?;
    agree(source, &timeline, &facts)?;
    let candidates = candidates(&catalog, wanted, &timeline, request)?;
    listener.phase(Phase::ReadingWal);
    let mut refusal = None;
    for backup in candidates {
        source.context.interrupt.check()?;
        let scanned = scan(source, &archive, backup, &timeline, &request.target, listener)?;
        let (backup, timeline, histories) = (backup.clone(), timeline.clone(), histories(&timeline, &archive));
        match scanned.verdict.clone() {
            Verdict::Stops(stop) => return Ok(Chosen { backup, timeline, stop: Some(stop), scanned, histories }),
            Verdict::ReadsAll => {
                scanned.refuse_hole(&archive)?;
                return Ok(Chosen { backup, timeline, stop: None, scanned, histories });
            }
            // An older backup begins before: there the target may be behind the consistent point.
            Verdict::BeforeConsistency(_) if wanted.is_none() => {}
            Verdict::BeforeConsistency(_) => return Err(before_consistency(&backup, &request.target)),
            Verdict::Unreachable(reason) => {
                let error = unreachable(&backup, &scanned, &archive, &request.target, reason);
                if !an_older_backup_may_do(reason) {
                    return Err(error);
                }
                refusal.get_or_insert(error);
            }
        }
    }
    Err(refusal.unwrap_or_else(|| no_backup_before(&catalog, &timeline, request)))
}

/// Those of the past, and all later ones: a server that opens takes the first number without a history
/// (`findNewestTimeLine`), and its timeline must not be one that the archive knows already.
fn histories(timeline: &Timeline, archive: &ArchivedWal) -> Vec<TimelineId> {
    let past = timeline.ancestors.iter().map(|a| a.timeline).chain([timeline.id]);
    let later = archive.timelines.range((Bound::Excluded(timeline.id), Bound::Unbounded));
    past.chain(later.filter(|(_, wal)| wal.history).map(|(id, _)| *id)).filter(|id| *id > 1).collect()
}

/// What was not found after this backup may be found before it.
fn an_older_backup_may_do(reason: Unreachable) -> bool {
    matches!(
        reason,
        Unreachable::XidUnknown
            | Unreachable::XidNotEnded
            | Unreachable::NameUnknown
            | Unreachable::EndsBeforeConsistency
    )
}

/// The timeline that recovery follows.
fn timeline(
    source: &Source<'_>,
    request: &Request,
    catalog: &Catalog,
    wanted: Option<&Summary>,
    archive: &ArchivedWal,
) -> Result<Timeline> {
    let oldest = catalog.backups.iter().map(|backup| backup.timeline).min().unwrap_or(1);
    let id = match (request.timeline, wanted) {
        (TimelineChoice::Id(id), _) => id,
        (TimelineChoice::Current, Some(backup)) => backup.timeline,
        (TimelineChoice::Current, None) => newest_backup(catalog)?.timeline,
        (TimelineChoice::Latest, _) => latest(archive, wanted.map_or(oldest, |backup| backup.timeline))?,
    };
    if id == 1 {
        return Ok(Timeline::root(1));
    }
    history(source, id, matches!(request.timeline, TimelineChoice::Id(_)))
}

fn newest_backup(catalog: &Catalog) -> Result<&Summary> {
    let newest = catalog.backups.iter().max_by_key(|backup| backup.stopped);
    newest.ok_or_else(|| {
        Error::new(Code::NotFound, "the repository holds no backup of this cluster").hint("pgcairn backup")
    })
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
            .hint("--timeline with another one: pgcairn wal list")
    })
}

/// `asked` for by number it is just not there; else the archive has lost it.
fn no_history(id: TimelineId, asked: bool) -> Error {
    let name = WalName::History(id);
    match asked {
        true => Error::new(Code::NotFound, format!("timeline {id} is not in the archive: {name} is missing"))
            .hint("pgcairn wal list shows the timelines there are"),
        false => Error::new(Code::WalGap, format!("{name} is missing, and the archive holds timeline {id}"))
            .hint(format!("pgcairn init, where a server of this cluster still has {name} in its pg_wal")),
    }
}

/// What is said of the timeline in plaintext must be what its history says, where it is said.
fn agree(source: &Source<'_>, timeline: &Timeline, facts: &BTreeMap<TimelineId, TimelineJson>) -> Result<()> {
    match facts.get(&timeline.id) {
        Some(found) if *found != TimelineJson::from(timeline) => {
            let (key, name) = (source.opened.keys.timeline_json(timeline.id), WalName::History(timeline.id));
            Err(archived::damaged_timeline(&key, format!("it does not say what {name} says")))
        }
        _ => Ok(()),
    }
}

/// Backups on the way to the target, the latest first.
fn candidates<'c>(
    catalog: &'c Catalog,
    wanted: Option<&'c Summary>,
    timeline: &Timeline,
    request: &Request,
) -> Result<Vec<&'c Summary>> {
    if let Some(backup) = wanted {
        return match timeline.descends_from(backup.timeline, backup.stop_lsn) {
            true => Ok(vec![backup]),
            false => Err(Error::new(
                Code::TargetUnreachable,
                format!(
                    "backup {} ends at {} on timeline {}, which is not in the history of timeline {}",
                    backup.id, backup.stop_lsn, backup.timeline, timeline.id
                ),
            )
            .hint("leave --backup out, and the last one before the target is chosen")),
        };
    }
    let fits = |backup: &&Summary| {
        timeline.descends_from(backup.timeline, backup.stop_lsn) && may_lie_before(backup, &request.target)
    };
    let mut candidates: Vec<_> = catalog.backups.iter().filter(fits).collect();
    candidates.sort_by_key(|backup| std::cmp::Reverse(backup.stop_lsn));
    Ok(candidates)
}

/// Commits after the start of a backup are later than `started`, by the same clock. WAL decides in the end.
fn may_lie_before(backup: &Summary, target: &Target) -> bool {
    match target {
        Target::Time { at, .. } => TimestampTz::from_jiff(backup.started) <= *at,
        Target::Lsn { at, .. } => backup.stop_lsn <= *at,
        _ => true,
    }
}

fn no_backup_before(catalog: &Catalog, timeline: &Timeline, request: &Request) -> Error {
    let on_the_way = |b: &&Summary| timeline.descends_from(b.timeline, b.stop_lsn);
    match catalog.backups.iter().filter(on_the_way).min_by_key(|b| b.stop_lsn) {
        None if catalog.backups.is_empty() => {
            Error::new(Code::NotFound, "the repository holds no backup of this cluster").hint("pgcairn backup")
        }
        None => {
            Error::new(Code::TargetUnreachable, format!("no backup lies in the history of timeline {}", timeline.id))
                .hint("pgcairn list shows each backup's timeline: add --timeline")
        }
        Some(oldest) => Error::new(
            Code::TargetUnreachable,
            format!(
                "{} lies before the oldest backup is usable: {} from {} ({})",
                words(&request.target),
                oldest.id,
                oldest.stopped,
                oldest.stop_lsn
            ),
        )
        .hint(format!("--backup {} restores that moment, the earliest there is", oldest.id)),
    }
}

fn before_consistency(backup: &Summary, target: &Target) -> Error {
    Error::new(
        Code::TargetUnreachable,
        format!(
            "{} lies before backup {} is usable, which is from {} ({}) on",
            words(target),
            backup.id,
            backup.stopped,
            backup.stop_lsn
        ),
    )
    .hint("leave --backup out, and the last one before the target is chosen")
}

/// The last reachable moment is named, whatever the reason.
fn unreachable(
    backup: &Summary,
    scanned: &Scanned,
    archive: &ArchivedWal,
    target: &Target,
    reason: Unreachable,
) -> Error {
    let words = words(target);
    let refuse = |message: String| Error::new(Code::TargetUnreachable, message);
    if let Err(hole) = scanned.refuse_hole(archive)
        && !matches!(reason, Unreachable::MinimalWal { .. })
    {
        return Error { message: format!("{words} cannot be reached: {}", hole.message), ..hole };
    }
    let reach = &scanned.reach;
    match reason {
        Unreachable::NoLaterTransaction => {
            let last =
                reach.greatest_time.map_or("none".to_owned(), |(time, lsn)| format!("{} at {lsn}", moment(time)));
            let error = refuse(format!("{words} is later than the archive proves: the last commit or abort is {last}"));
            match reach.latest_time_target(true).and_then(|t| t.to_jiff()) {
                Some(time) => error.hint(format!(
                    "--to latest for all there is, or --to '{time}', the latest time that can be proven"
                )),
                None => error.hint("--to latest for all there is"),
            }
        }
        Unreachable::BeyondEnd => {
            refuse(format!("{words} is beyond {}", end(reach))).hint("--to latest for all there is")
        }
        Unreachable::XidUnknown => {
            refuse(format!("{words}: no such transaction between backup {} and {}", backup.id, end(reach)))
                .hint("only transactions that wrote something are in WAL; look for the right one by time: --to TIME")
        }
        Unreachable::XidNotEnded => refuse(format!("{words}: it neither committed nor aborted before {}", end(reach)))
            .hint("name the top-level transaction, or --to latest for all there is"),
        Unreachable::NameUnknown => {
            let known: Vec<String> = reach.restore_points.iter().map(|(_, point)| point.name_lossy()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            refuse(format!("{words} is not before {}; restore points there are: {known}", end(reach)))
                .hint("--to-name with one of them")
        }
        Unreachable::MinimalWal { at } => {
            refuse(format!("WAL from {at} on was written with wal_level = minimal, no recovery passes it"))
                .hint("--to a moment before it")
        }
        Unreachable::EndsBeforeConsistency => Error::new(
            Code::WalGap,
            format!("backup {} needs WAL up to {}, the archive ends at {}", backup.id, backup.stop_lsn, reach.end),
        )
        .hint("choose an older backup: pgcairn list"),
        Unreachable::NothingFollows => {
            refuse(format!("nothing follows the end of backup {} at {}", backup.id, backup.stop_lsn))
                .hint("--to latest")
        }
    }
}

/// The last reachable moment.
fn end(reach: &Reach) -> String {
    let time =
        reach.greatest_time.map_or(String::new(), |(time, _)| format!(" (last commit or abort: {})", moment(time)));
    format!("the end of the archive at {}{time}", reach.end)
}

/// As `--to` takes it.
fn moment(time: TimestampTz) -> String {
    time.to_jiff().map_or_else(|| time.to_string(), |time| time.to_string())
}

/// The target as a person would say it.
pub fn words(target: &Target) -> String {
    let side = |inclusive: &bool| if *inclusive { "" } else { "just before " };
    match target {
        Target::Immediate => "the end of the backup".to_owned(),
        Target::Latest => "the end of the archive".to_owned(),
        Target::Time { at, inclusive } => format!("{}{}", side(inclusive), moment(*at)),
        Target::Lsn { at, inclusive } => format!("{}LSN {at}", side(inclusive)),
        Target::Xid { xid, inclusive } => format!("{}transaction {xid}", side(inclusive)),
        Target::Name(name) => format!("restore point \"{name}\""),
    }
}
