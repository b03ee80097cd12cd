//! Why a target cannot be reached, and which can.

use super::Request;
use super::scan::Scanned;
use super::words::{moment, words};
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error};
use crate::model::plan::coverage::ArchivedWal;
use crate::model::plan::target::{Reach, Target, Unreachable};
use crate::model::timeline::Timeline;
use crate::operation::catalog::Catalog;

pub(super) fn no_backup_before(catalog: &Catalog, timeline: &Timeline, request: &Request) -> Error {
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

pub(super) fn before_consistency(backup: &Summary, target: &Target) -> Error {
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
pub(super) fn refusal(
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
