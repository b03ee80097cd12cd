//! The archive: whether each segment is of the size that its envelope tells, and whether any is missing that a backup or
//! the recovery window needs. What it holds is for whoever has a key.

use std::collections::BTreeSet;

use super::tally::Tally;
use crate::config;
use crate::model::catalog::Summary;
use crate::model::error::Result;
use crate::model::plan::retention::Archive;
use crate::model::wal_name::WalName;
use crate::operation::Context;
use crate::operation::repository::Opened;
use crate::operation::wal::archived::{self, Listed};
use crate::operation::wal::descents::Unreadable;
use crate::operation::wal::list;
use crate::report::verify::{Damage, Gap, Repository};
use crate::report::wal::WalList;

/// All of it.
pub fn whole(
    context: &Context,
    wanted: &config::Repository,
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
    let policy = context.config.retention_of(wanted);
    let WalList { timelines, damaged, .. } = list::look(opened, &listed, policy, &request, context.now)?;
    let archive = listed.archive(backups.iter().copied());
    verified.wal_files += archive.objects().count() as u64 - damaged.len() as u64;
    for flaw in damaged {
        let hurts = flaw.segment.parse().map(|name| needed_by(&archive, backups, &name)).unwrap_or_default();
        tally.damage(Damage { object: flaw.segment, reason: flaw.reason, hurts });
    }
    // Where only some backups are kept, so is only their WAL.
    if wanted.keep.is_none() {
        let ranges = timelines.into_iter().flat_map(|timeline| timeline.ranges);
        verified.wal_gaps.extend(ranges.map(|range| Gap { before: range.first, segments: range.missing_before }));
    }
    incomplete(&archive, opened, backups, tally);
    Ok(())
}

/// What one backup needs.
pub fn of_backup(opened: &Opened, backup: &Summary, tally: &Tally, verified: &mut Repository) -> Result<()> {
    let archive = Listed::read(&opened.repository.reader(), &opened.keys)?.archive([backup]);
    let names: Vec<(WalName, u64)> =
        archive.needed_by(backup).into_iter().map(|object| (object.name, object.size)).collect();
    let flaws = archived::flaws(opened, &names)?;
    verified.wal_files += names.len() as u64 - flaws.len() as u64;
    for flaw in flaws {
        tally.damage(Damage { object: flaw.segment, reason: flaw.reason, hurts: vec![backup.id.clone()] });
    }
    incomplete(&archive, opened, &[backup], tally);
    Ok(())
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
