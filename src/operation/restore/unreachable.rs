//! Why a target cannot be reached, and which can.

use super::scan::Scanned;
use super::words::{moment, words};
use super::{Request, Source};
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error};
use crate::model::plan::coverage::ArchivedWal;
use crate::model::plan::target::{Reach, Target, Unreachable};
use crate::model::timeline::Timeline;
use crate::operation::catalog::Catalog;

/// Nothing to begin with, however much WAL there is.
pub(super) fn no_backup(source: &Source<'_>, catalog: &Catalog) -> Error {
    let (url, cluster) = (source.opened.repository.url(), &source.opened.cluster);
    match catalog.unreadable.first() {
        Some(unreadable) => unreadable.as_error(),
        None => Error::new(Code::NotFound, format!("{url} holds no backup of cluster {cluster}"))
            .hint("--cluster NAME or another --repository: pgcairn list; to make a backup: pgcairn backup"),
    }
}

pub(super) fn no_backup_before(
    source: &Source<'_>,
    catalog: &Catalog,
    timeline: &Timeline,
    request: &Request,
) -> Error {
    let on_the_way = |b: &&Summary| timeline.descends_from(b.timeline, b.stop_lsn);
    match catalog.summaries().filter(on_the_way).min_by_key(|b| b.stop_lsn) {
        None if catalog.backups.is_empty() => no_backup(source, catalog),
        None => {
            let newest = catalog.summaries().map(|backup| backup.timeline).max().unwrap_or(1);
            let message = format!("no backup lies in the history of timeline {}", timeline.id);
            Error::new(Code::TargetUnreachable, message)
                .hint(format!("--timeline {newest}, which the newest backup lies on: pgcairn list"))
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
            let last = match reach.greatest_time {
                Some((time, lsn)) => format!("the last commit or abort is {} at {lsn}", moment(time)),
                None => format!("no transaction ended after the start of backup {}", backup.id),
            };
            let error = refuse(format!("{words} is later than the archive proves: {last}"));
            match scanned.latest_time() {
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
            let known: Vec<String> =
                reach.restore_points.iter().map(|(_, point)| format!("\"{}\"", point.name_lossy())).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            refuse(format!("{words} is not before {}; restore points there are: {known}", end(reach)))
                .hint("--to-name with one of them")
        }
        Unreachable::MinimalWal { at } => refuse(format!(
            "WAL from {at} on was written with wal_level = minimal, no recovery passes it"
        ))
        .hint(format!(
            "--to-lsn {at} --exclusive is the last moment before it; or choose a later backup: pgcairn list"
        )),
        Unreachable::EndsBeforeConsistency => Error::new(
            Code::WalGap,
            format!("backup {} needs WAL up to {}, the archive ends at {}", backup.id, backup.stop_lsn, reach.end),
        )
        .hint("restore an older backup: pgcairn list"),
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
