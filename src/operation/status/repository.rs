//! What one repository tells: three questions of different weight, so that the quick answers are there in any case.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, no_answer};
use crate::config;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::model::plan::growth::{Growth, SPAN};
use crate::model::plan::retention::{Archive, Input, Plan, Window};
use crate::model::wal_name::{Segment, SegmentName, WalName};
use crate::operation::catalog::Catalog;
use crate::operation::copy;
use crate::operation::expire::{self, generations};
use crate::operation::hold;
use crate::operation::repository::{self, Opened};
use crate::operation::wal::archived;
use crate::operation::{Context, catalog};
use crate::report::status::{self, LastBackup, Repository, Restorable};
use crate::store::Space;

pub use crate::operation::copy::Behind;

/// The commit times of so many segments are looked at, newest first: in an idle hour there are none in them.
const LOOKED_AT: u64 = 16;

const GIB: f64 = (1u64 << 30) as f64;

/// One listing of backups and one of WAL, and a small read for each backup.
#[derive(Default)]
pub struct Catalogued {
    backups: Vec<Summary>,
    unreadable: u64,
    restorable: Vec<Restorable>,
}

pub fn catalog(context: &Context, wanted: &config::Repository) -> Result<Catalogued> {
    let repository = repository::open_one(&context.config, wanted)?;
    let opened = match catalog::choose_cluster(&context.config, repository) {
        // Nothing has come yet.
        Err(error) if error.code == Code::NotFound => return Ok(Catalogued::default()),
        opened => opened?,
    };
    let reader = opened.repository.reader();
    let catalog = Catalog::read(&reader, &opened.keys)?;
    let unreadable = catalog.unreadable.len() as u64;
    let backups = catalog.into_summaries();
    let (objects, timelines) = archived::objects(&reader, &opened.keys)?;
    let windows = Archive::new(objects, &timelines, &backups).windows(&backups);
    let restorable = windows.iter().map(|window| restorable(&opened, window, &backups)).collect::<Result<_>>()?;
    Ok(Catalogued { backups, unreadable, restorable })
}

fn restorable(opened: &Opened, window: &Window, backups: &[Summary]) -> Result<Restorable> {
    let size = backups.first().map_or(0, |backup| backup.postgresql.wal_segment_size);
    let last = window.last.to_segment(size);
    let mut to = None;
    for number in last.iter().flat_map(|last| (last.number.saturating_sub(LOOKED_AT)..=last.number).rev()) {
        to = last_commit(opened, Segment { timeline: window.timeline, number }.name(size))?;
        if to.is_some() {
            break;
        }
    }
    // A restore to a time is proven by a later commit; without one only the end of the backup can be restored.
    let to = to.and_then(|last| last.checked_sub(SignedDuration::from_micros(1)).ok());
    let to = to.map_or(window.from, |to| to.max(window.from));
    Ok(Restorable { timeline: window.timeline, from: window.from, to, backup: window.backup.clone() })
}

/// What is not there, on another timeline or damaged tells no time; a recovery says more.
fn last_commit(opened: &Opened, segment: SegmentName) -> Result<Option<Timestamp>> {
    match archived::envelope(opened, &WalName::Segment(segment)) {
        Ok((facts, _)) => Ok(facts.last_commit),
        Err(error) if error.exit_status() == Code::Unreachable.exit_status() => Err(error),
        Err(_) => Ok(None),
    }
}

/// One listing of everything.
pub struct Stored {
    backup_bytes: u64,
    wal_bytes: u64,
    /// Trash, holds and such.
    other_bytes: u64,
    growth: Option<Growth>,
    space: Option<Space>,
}

pub fn stored(context: &Context, wanted: &config::Repository) -> Result<Stored> {
    let repository = repository::open_one(&context.config, wanted)?;
    let mut stored = Stored { backup_bytes: 0, wal_bytes: 0, other_bytes: 0, growth: None, space: repository.space()? };
    let (mut objects, mut freed) = (Vec::new(), 0);
    for keys in generations(&repository, context.config.name.as_ref())? {
        let entries = repository.reader().list(&keys.all())?;
        for entry in &entries {
            *stored.kind(&keys, entry.key.as_str()) += entry.size;
        }
        objects.extend(entries.iter().map(|entry| (entry.modified, entry.size)));
        freed += freed_within(context, wanted, &repository, keys)?;
    }
    stored.growth = Growth::of(objects.into_iter(), freed, context.now);
    Ok(stored)
}

impl Stored {
    fn kind(&mut self, keys: &ClusterKeys, key: &str) -> &mut u64 {
        let is_part = || keys.parts().iter().chain([&keys.backups()]).any(|prefix| key.starts_with(prefix));
        match key.starts_with(&keys.wal()) {
            true => &mut self.wal_bytes,
            false if is_part() => &mut self.backup_bytes,
            false => &mut self.other_bytes,
        }
    }

    fn total(&self) -> u64 {
        self.backup_bytes + self.wal_bytes + self.other_bytes
    }
}

/// What expiry will drop; nothing without retention, or where a backup cannot be read.
fn freed_within(
    context: &Context,
    wanted: &config::Repository,
    repository: &crate::store::Repository,
    keys: ClusterKeys,
) -> Result<u64> {
    let Some(policy) = context.config.retention_of(wanted) else { return Ok(0) };
    let reader = repository.reader();
    let (names, timelines) = archived::objects(&reader, &keys)?;
    let Ok(backups) = expire::committed(&reader, &keys) else { return Ok(0) };
    let holds = hold::read_all(&reader, &keys)?;
    let wal = Archive::new(names, &timelines, &backups);
    let input = Input { policy, backups: &backups, holds: &holds, proven: None, wal: &wal, now: context.now };
    Ok(Plan::freed_within(&input, SPAN))
}

/// Only a further repository can be behind.
pub fn behind(context: &Context, wanted: &config::Repository) -> Result<Behind> {
    match context.config.others.iter().any(|other| other.name == wanted.name) {
        true => copy::behind(context, wanted),
        false => Ok(Behind::default()),
    }
}

/// All that was answered; the first failure stands for all of them.
pub fn report(context: &Context, wanted: &config::Repository, own: Vec<Option<Answer>>, wait: Duration) -> Repository {
    let mut report = Repository::new(&wanted.name, wanted.url.as_str(), wanted.required);
    for answer in own {
        let failed = match answer {
            Some(Answer::Catalog(Ok(known))) => report.tell(context.now, known),
            Some(Answer::Stored(Ok(stored))) => report.weigh(wanted, &stored),
            Some(Answer::Behind(Ok(behind))) => report.compare(context.now, &behind),
            Some(Answer::Catalog(Err(e)) | Answer::Stored(Err(e)) | Answer::Behind(Err(e))) => Some(e),
            Some(Answer::Server(_)) => None,
            None => Some(no_answer(wait)),
        };
        let failed = failed.map(|error| context.addressed_error(error));
        report.error = report.error.take().or(failed.as_ref().map(status::Failure::of));
    }
    report
}

impl Repository {
    fn tell(&mut self, now: Timestamp, known: Catalogued) -> Option<Error> {
        let newest = known.backups.iter().max_by_key(|backup| backup.stopped);
        self.backups = Some(known.backups.len() as u64);
        self.unreadable_backups = Some(known.unreadable);
        self.last_backup = newest.map(|backup| LastBackup {
            id: backup.id.clone(),
            stopped: backup.stopped,
            age_seconds: seconds_since(backup.stopped, now),
            data_bytes: backup.totals.data_bytes,
            stored_bytes: backup.totals.stored_bytes,
        });
        self.restorable = Some(known.restorable);
        None
    }

    fn weigh(&mut self, wanted: &config::Repository, stored: &Stored) -> Option<Error> {
        let total = stored.total();
        self.stored = Some(status::Stored {
            backup_bytes: stored.backup_bytes,
            wal_bytes: stored.wal_bytes,
            total_bytes: total,
            free_bytes: stored.space.map(|space| space.free),
            added_bytes_per_day: stored.growth.map(|growth| growth.added),
            freed_bytes_per_day: stored.growth.map(|growth| growth.freed),
            full_in_days: stored
                .space
                .zip(stored.growth)
                .and_then(|(space, growth)| growth.days_until_full(space.free)),
            monthly_cost: wanted.price.as_ref().map(|price| status::Cost {
                amount: price.amount * (total as f64 / GIB),
                currency: price.currency.clone(),
            }),
        });
        None
    }

    fn compare(&mut self, now: Timestamp, behind: &Behind) -> Option<Error> {
        self.behind = Some(status::Behind {
            backups: behind.backups,
            wal_files: behind.wal_files,
            seconds: behind.since.map(|since| seconds_since(since, now)),
        });
        None
    }
}

fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}
