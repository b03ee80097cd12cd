//! The archive: whether each segment is of the size that its envelope tells, and whether any is missing that a backup or
//! the recovery window needs. With a key each file is read as recovery would read it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Work;
use super::due::{Candidates, Due};
use super::remembered::{Known, Seen};
use super::tally::Tally;
use crate::codec::Opener;
use crate::flow::workers;
use crate::model::catalog::Summary;
use crate::model::envelope::WalFacts;
use crate::model::error::{Code, Error, Result};
use crate::model::plan::retention::{Archive, WalObject};
use crate::model::wal_name::WalName;
use crate::operation::repository::Opened;
use crate::operation::wal::archived::{self, Listed};
use crate::operation::wal::descents::Unreadable;
use crate::operation::wal::{fetch, list};
use crate::operation::watched::watched;
use crate::report::verify::{Damage, Gap, Repository};
use crate::report::wal::Flaw;
use crate::report::{Phase, Progress};

/// All of it.
pub fn whole(
    work: &Work<'_>,
    opened: &Opened,
    backups: &[&Summary],
    due: &Due<'_>,
    tally: &Tally,
    verified: &mut Repository,
) -> Result<()> {
    let request = list::Request { gaps: true, timeline: None };
    let listed = Listed::read(&opened.repository.reader(), &opened.keys)?;
    for Unreadable { key, reason } in &listed.unreadable {
        tally.damage(Damage { object: key.to_string(), reason: reason.clone(), hurts: Vec::new() });
    }
    let policy = work.context.config.retention_of(work.wanted);
    let timelines = list::timelines(opened, &listed, policy, &request, work.context.now)?;
    let archive = listed.archive(backups.iter().copied());
    for flaw in files(work, opened, &listed.objects, due, (tally, verified))? {
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
    due: &Due<'_>,
    tally: &Tally,
    verified: &mut Repository,
) -> Result<()> {
    let archive = Listed::read(&opened.repository.reader(), &opened.keys)?.archive([backup]);
    for flaw in files(work, opened, &archive.needed_by(backup), due, (tally, verified))? {
        tally.damage(Damage { object: flaw.segment, reason: flaw.reason, hurts: vec![backup.id.clone()] });
    }
    incomplete(&archive, opened, &[backup], tally);
    Ok(())
}

/// What a sample is taken from.
pub fn candidates(opened: &Opened, listed: &Listed, due: &Due<'_>, candidates: &mut Candidates) {
    for object in &listed.objects {
        due.candidate(candidates, &opened.keys.wal_file(&object.name), seen(object), object.size);
    }
}

fn seen(object: &WalObject) -> Seen {
    Seen { size: object.size, modified: object.modified }
}

/// Those of which it is time; gives what is wrong with them.
fn files(
    work: &Work<'_>,
    opened: &Opened,
    objects: &[WalObject],
    due: &Due<'_>,
    (tally, verified): (&Tally, &mut Repository),
) -> Result<Vec<Flaw>> {
    let mut read = Vec::new();
    for object in objects {
        let key = opened.keys.wal_file(&object.name);
        match (due.reads(&key, Some(seen(object))), due.known(&key, seen(object))) {
            (true, _) => read.push(*object),
            (false, Known::Sound(when)) => tally.remembered_wal(object.size, when),
            (false, _) => tally.cover.add(object.size, None),
        }
    }
    let flaws = match &work.opener {
        Some(opener) => contents(work, opened, opener, (&read, objects), due)?,
        None => archived::flaws(opened, &read.iter().map(|object| (object.name, object.size)).collect::<Vec<_>>())?,
    };
    let damaged: BTreeSet<&str> = flaws.iter().map(|flaw| flaw.segment.as_str()).collect();
    for object in &read {
        let (key, is_sound) = (opened.keys.wal_file(&object.name), !damaged.contains(object.name.to_string().as_str()));
        tally.cover.add(object.size, is_sound.then_some(due.now));
        verified.wal_files += u64::from(is_sound);
        verified.wal_bytes += if work.opener.is_some() { object.size } else { 0 };
        match is_sound {
            true => work.remembered.sound(&key, seen(object), due.proof, due.now),
            false => work.remembered.forget(&key),
        }
    }
    Ok(flaws)
}

/// What several threads find in WAL files.
#[derive(Default)]
struct Found {
    flaws: Vec<Flaw>,
    /// Those that the identity does not open.
    closed: Vec<(String, Error)>,
}

/// Others that are tried where an identity does not open what is read.
const TRIED: usize = 8;

/// What each of them holds; `all` are those that are not read this time, too.
fn contents(
    work: &Work<'_>,
    opened: &Opened,
    opener: &Opener,
    (objects, all): (&[WalObject], &[WalObject]),
    due: &Due<'_>,
) -> Result<Vec<Flaw>> {
    let (done, total) = (AtomicU64::new(0), objects.iter().map(|object| object.size).sum());
    let progress = || {
        work.remembered.save_now_and_then();
        let bytes_done = done.load(Ordering::Relaxed);
        Progress { bytes_done, bytes_total: Some(total), ..Progress::new(Phase::ReadingWal) }
    };
    let found = Mutex::new(Found::default());
    watched(work.listener, progress, || {
        workers::each(work.jobs(), objects.iter(), |object| {
            work.context.interrupt.check()?;
            let (segment, found) = (object.name.to_string(), || found.lock().unwrap_or_else(|e| e.into_inner()));
            match flaw(work, opened, opener, &object.name) {
                Ok(Some(reason)) => found().flaws.push(Flaw { segment, broken_from: None, reason }),
                Ok(None) => {
                    work.opened_any.store(true, Ordering::Relaxed);
                    work.remembered.sound(&opened.keys.wal_file(&object.name), seen(object), due.proof, due.now);
                }
                Err(error) if error.code == Code::Identity => found().closed.push((segment, error)),
                Err(error) => return Err(error),
            }
            done.fetch_add(object.size, Ordering::Relaxed);
            Ok::<(), Error>(())
        })
    })?;
    let Found { mut flaws, closed } = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Damage in what is for the recipients looks like a wrong key, but for one that opens everything else.
    let is_right = closed.is_empty() || work.opened_any.load(Ordering::Relaxed) || {
        let is_closed = |object: &&WalObject| closed.iter().any(|(segment, _)| *segment == object.name.to_string());
        let mut others = all.iter().rev().filter(|object| !is_closed(object)).take(TRIED);
        others.any(|object| flaw(work, opened, opener, &object.name).is_ok())
    };
    for (segment, error) in closed {
        if !is_right {
            return Err(error);
        }
        flaws.push(Flaw { segment, broken_from: None, reason: error.message });
    }
    flaws.sort_by(|a, b| a.segment.cmp(&b.segment));
    Ok(flaws)
}

/// One that has gone since it was listed is no damage.
fn flaw(work: &Work<'_>, opened: &Opened, opener: &Opener, name: &WalName) -> Result<Option<String>> {
    match fetch::read(opened, opener, name, &mut |_| work.context.interrupt.check()) {
        Ok(Some(facts)) if facts.system_identifier != opened.system_identifier => {
            Ok(Some(format!("it is of cluster {}", facts.system_identifier)))
        }
        Ok(Some(WalFacts { invalid_from: Some(at), .. })) if matches!(name, WalName::Segment(_)) => {
            Ok(Some(archived::broken_from(at)))
        }
        Ok(_) => Ok(None),
        Err(error) if error.code == Code::Damaged => Ok(Some(error.message)),
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
