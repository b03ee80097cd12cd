//! Timeline, backup and stopping point: what recovery will do, proven over the WAL itself.

use super::one_history::Copies;
use super::scan::{Scanned, scan};
use super::{Request, Source, timeline, unreachable};
use crate::model::catalog::{CommitMarker, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::plan::coverage::ArchivedWal;
use crate::model::plan::target::{StopPoint, Target, Unreachable, Verdict};
use crate::model::signature::Standing;
use crate::model::timeline::Timeline;
use crate::model::timestamp::TimestampTz;
use crate::model::wal_name::TimelineId;
use crate::operation::catalog::Catalog;
use crate::operation::trust;
use crate::operation::wal::archived::{self, Listed};
use crate::report::{Listener, Phase};

/// What will be restored.
pub struct Chosen {
    pub backup: Summary,
    /// Who vouches for it.
    pub signature: Standing,
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
    let wal = Listed::read(&source.opened.repository.reader(), &source.opened.keys)?;
    wal.unreadable.iter().for_each(|damaged| listener.warning(damaged.as_error()));
    let names = wal.sizes();
    let copies = Copies::read(source)?;
    let wanted = request.backup.as_ref().map(|selector| catalog.select(selector)).transpose()?;
    let size = wanted.map(|backup| &backup.summary).or_else(|| catalog.summaries().last());
    let size =
        size.map_or_else(|| archived::segment_size(&source.opened, &names), |b| Ok(b.postgresql.wal_segment_size))?;
    let mut archive = ArchivedWal::new(size, names.iter().copied());
    if wanted.is_none() {
        catalog.unreadable.iter().for_each(|unreadable| listener.warning(unreadable.as_error()));
    }
    let timeline = timeline::follow(source, request, &catalog, wanted.map(|backup| &backup.summary), &archive)?;
    timeline::agree(source, &timeline, &wal.timelines)?;
    let candidates = candidates(&catalog, wanted, &timeline, request)?;
    listener.phase(Phase::ReadingWal);
    let (mut refusal, mut passed_over) = (None, Vec::new());
    for marker in candidates {
        source.context.interrupt.check()?;
        let (keys, trusted) = (&source.opened.keys, &source.context.trusted);
        let signature = match trust::refuse(marker, keys, trusted, request.accept_unsigned) {
            // Somebody may have put it there. The one before it leads to the same target.
            Err(error) if wanted.is_none() && !has_another(source, marker) => {
                passed_over.push(passed(&error));
                refusal.get_or_insert(error);
                continue;
            }
            judged => judged?,
        };
        let backup = &marker.summary;
        // A planted backup may tell another size.
        if archive.segment_size != backup.postgresql.wal_segment_size {
            archive = ArchivedWal::new(backup.postgresql.wal_segment_size, names.iter().copied());
        }
        let scanned = scan(source, &archive, backup, &timeline, &request.target, listener)?;
        copies.check(source, backup, &scanned, listener)?;
        scanned.check_stop(source, backup)?;
        let stop = match scanned.verdict.clone() {
            Verdict::Stops(stop) => Some(stop),
            Verdict::ReadsAll => {
                scanned.refuse_hole(&archive)?;
                None
            }
            // An older backup begins before: there the target may be behind the consistent point.
            Verdict::BeforeConsistency(_) if wanted.is_none() => continue,
            Verdict::BeforeConsistency(_) => return Err(unreachable::before_consistency(backup, &request.target)),
            Verdict::Unreachable(reason) => {
                let error = unreachable::refusal(backup, &scanned, &archive, &request.target, reason);
                if !an_older_backup_may_do(reason) {
                    return Err(error);
                }
                refusal.get_or_insert(error);
                continue;
            }
        };
        passed_over.into_iter().for_each(|warning| listener.warning(warning));
        trust::doubt(trust::Thing::backup(&marker.summary.id), &signature)
            .into_iter()
            .for_each(|doubt| listener.notice(doubt));
        let (backup, histories) = (backup.clone(), timeline::histories(&timeline, &archive));
        return Ok(Chosen { backup, signature, timeline, stop, scanned, histories });
    }
    Err(refusal.unwrap_or_else(|| unreachable::no_backup_before(source, &catalog, &timeline, request)))
}

/// Of several repositories another may have it as it was signed.
fn has_another(source: &Source<'_>, marker: &CommitMarker) -> bool {
    source.opened.repository.reader().has_another(&source.opened.keys.backup(&marker.summary.id))
}

fn passed(error: &Error) -> Error {
    Error { code: Code::Flagged, message: format!("passed over: {}", error.message), ..error.clone() }
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

/// Backups on the way to the target, the latest first.
fn candidates<'c>(
    catalog: &'c Catalog,
    wanted: Option<&'c CommitMarker>,
    timeline: &Timeline,
    request: &Request,
) -> Result<Vec<&'c CommitMarker>> {
    if let Some(marker) = wanted {
        let backup = &marker.summary;
        return match timeline.descends_from(backup.timeline, backup.stop_lsn) {
            true => Ok(vec![marker]),
            false => Err(Error::new(
                Code::TargetUnreachable,
                format!(
                    "backup {} ends at {} on timeline {}, which is not in the history of timeline {}",
                    backup.id, backup.stop_lsn, backup.timeline, timeline.id
                ),
            )
            .hint(format!(
                "--timeline {} is the backup's own; or leave --backup out, and the last one before the target is chosen",
                backup.timeline
            ))),
        };
    }
    let fits = |CommitMarker { summary: backup, .. }: &&CommitMarker| {
        timeline.descends_from(backup.timeline, backup.stop_lsn) && may_lie_before(backup, &request.target)
    };
    let mut candidates: Vec<_> = catalog.backups.iter().filter(fits).collect();
    candidates.sort_by_key(|backup| std::cmp::Reverse(backup.summary.stop_lsn));
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
