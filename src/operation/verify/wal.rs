//! The archive: whether each segment is of the size that its envelope tells, and whether any is missing that a backup or
//! the recovery window needs. With a key each file is read as recovery would read it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Work;
use super::tally::Tally;
use crate::codec::Opener;
use crate::flow::workers;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::plan::retention::Archive;
use crate::model::wal_name::WalName;
use crate::operation::repository::Opened;
use crate::operation::wal::archived::{self, Listed};
use crate::operation::wal::descents::Unreadable;
use crate::operation::wal::{fetch, list};
use crate::operation::watched::watched;
use crate::report::verify::{Damage, Gap, Repository};
use crate::report::wal::{Flaw, WalList};
use crate::report::{Phase, Progress};

/// All of it.
pub fn whole(
    work: &Work<'_>,
    opened: &Opened,
    backups: &[&Summary],
    tally: &Tally,
    verified: &mut Repository,
) -> Result<()> {
    let request = list::Request { gaps: true, timeline: None };
    let listed = Listed::read(&opened.repository.reader(), &opened.keys)?;
    for Unreadable { key, reason } in &listed.unreadable {
        tally.damage(Damage { object: key.to_string(), reason: reason.clone(), hurts: Vec::new() });
    }
    let policy = work.context.config.retention_of(work.wanted);
    let WalList { timelines, mut damaged, .. } = list::look(opened, &listed, policy, &request, work.context.now)?;
    contents(work, opened, &listed.sizes(), &mut damaged)?;
    let archive = listed.archive(backups.iter().copied());
    verified.wal_files += archive.objects().count() as u64 - damaged.len() as u64;
    for flaw in damaged {
        let hurts = flaw.segment.parse().map(|name| needed_by(&archive, backups, &name)).unwrap_or_default();
        tally.damage(Damage { object: flaw.segment, reason: flaw.reason, hurts });
    }
    // Where only some backups are kept, so is only their WAL.
    if work.wanted.keep.is_none() {
        let ranges = timelines.into_iter().flat_map(|timeline| timeline.ranges);
        verified.wal_gaps.extend(ranges.map(|range| Gap { before: range.first, segments: range.missing_before }));
    }
    incomplete(&archive, opened, backups, tally);
    Ok(())
}

/// What one backup needs.
pub fn of_backup(
    work: &Work<'_>,
    opened: &Opened,
    backup: &Summary,
    tally: &Tally,
    verified: &mut Repository,
) -> Result<()> {
    let archive = Listed::read(&opened.repository.reader(), &opened.keys)?.archive([backup]);
    let names: Vec<(WalName, u64)> =
        archive.needed_by(backup).into_iter().map(|object| (object.name, object.size)).collect();
    let mut flaws = archived::flaws(opened, &names)?;
    contents(work, opened, &names, &mut flaws)?;
    verified.wal_files += names.len() as u64 - flaws.len() as u64;
    for flaw in flaws {
        tally.damage(Damage { object: flaw.segment, reason: flaw.reason, hurts: vec![backup.id.clone()] });
    }
    incomplete(&archive, opened, &[backup], tally);
    Ok(())
}

/// What each of them holds, where there is a key; to those that are damaged in the open nothing is added.
fn contents(work: &Work<'_>, opened: &Opened, names: &[(WalName, u64)], flaws: &mut Vec<Flaw>) -> Result<()> {
    let Some(opener) = &work.opener else { return Ok(()) };
    let known: BTreeSet<&str> = flaws.iter().map(|flaw| flaw.segment.as_str()).collect();
    let unread = || names.iter().filter(|(name, _)| !known.contains(name.to_string().as_str()));
    let (done, total) = (AtomicU64::new(0), unread().map(|(_, size)| size).sum());
    let progress = || {
        let bytes_done = done.load(Ordering::Relaxed);
        Progress { bytes_done, bytes_total: Some(total), ..Progress::new(Phase::ReadingWal) }
    };
    let found = Mutex::new(Vec::new());
    watched(work.listener, progress, || {
        workers::each(work.jobs(), unread(), |(name, size)| {
            work.context.interrupt.check()?;
            if let Some(reason) = flaw(work, opened, opener, name)? {
                let flaw = Flaw { segment: name.to_string(), broken_from: None, reason };
                found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(flaw);
            }
            done.fetch_add(*size, Ordering::Relaxed);
            Ok::<(), Error>(())
        })
    })?;
    flaws.extend(found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()));
    Ok(())
}

/// One that has gone since it was listed is no damage.
fn flaw(work: &Work<'_>, opened: &Opened, opener: &Opener, name: &WalName) -> Result<Option<String>> {
    match fetch::read(opened, opener, name, &mut |_| work.context.interrupt.check()) {
        Ok(Some(facts)) if facts.system_identifier != opened.system_identifier => {
            Ok(Some(format!("it is of cluster {}", facts.system_identifier)))
        }
        Ok(_) => Ok(None),
        Err(error) if error.code == Code::Damaged => Ok(Some(error.message)),
        // Damage in what is for the recipients looks like a wrong key, but for one that opens everything else.
        Err(error) if error.code == Code::Identity && work.opened_any.load(Ordering::Relaxed) => {
            Ok(Some(error.message))
        }
        Err(error) => Err(error),
    }
}

fn needed_by(archive: &Archive, backups: &[&Summary], name: &WalName) -> Vec<crate::model::key::BackupId> {
    let needs = |backup: &&&Summary| {
        let needed: BTreeSet<WalName> = archive.needed_by(backup).into_iter().map(|object| object.name).collect();
        needed.contains(name)
    };
    backups.iter().filter(needs).map(|backup| backup.id.clone()).collect()
}

fn incomplete(archive: &Archive, opened: &Opened, backups: &[&Summary], tally: &Tally) {
    for backup in backups.iter().filter(|backup| !archive.is_complete(backup)) {
        tally.damage(Damage {
            object: opened.keys.wal_timeline(backup.timeline),
            reason: "WAL between start and stop of the backup is missing".to_owned(),
            hurts: vec![backup.id.clone()],
        });
    }
}
