//! What one repository tells: three questions of different weight, so that the quick answers are there in any case.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::{Answer, COMPARISON, no_answer};
use crate::config;
use crate::model::catalog::{CommitMarker, Summary};
use crate::model::deletion::MAX_CLOCK_SKEW;
use crate::model::drill::{DumpRecord, Record};
use crate::model::dump;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::model::plan::dump_retention::{self, DumpInput};
use crate::model::plan::growth::{Growth, SPAN};
use crate::model::plan::retention::{Archive, Input, Plan, Window};
use crate::model::verification::{self, Record as Verification, Unsettled};
use crate::model::wal_name::{Segment, SegmentName, TimelineId, WalName};
use crate::operation::catalog::{Catalog, generations};
use crate::operation::copy;
use crate::operation::dump::catalog::Dumps;
use crate::operation::expire;
use crate::operation::hold;
use crate::operation::repository::{self, Opened};
use crate::operation::wal::archived::{self, Listed};
use crate::operation::{Context, catalog, drills, records, set_up, trust, verifications};
use crate::report::status::{
    self, LastBackup, LastDrill, LastDump, LastDumpDrill, LastSegment, LastVerify, Repository, Restorable,
};
use crate::store::{Entry, Reader, Space};

pub use crate::operation::copy::Behind;

/// So long every segment is looked at for a commit, the newest first.
const EACH_FOR: Duration = Duration::from_millis(500);

const GIB: f64 = (1u64 << 30) as f64;

/// One listing of backups and one of WAL, and a small read for each backup.
#[derive(Default)]
pub struct Catalogued {
    system_identifier: u64,
    backups: Vec<Summary>,
    unreadable: u64,
    dumps: Vec<dump::Summary>,
    unreadable_dumps: u64,
    /// Which a restore refuses by their signatures.
    untrusted: u64,
    restorable: Vec<Restorable>,
    last_drill: Option<Record>,
    has_dumps: bool,
    last_dump_drill: Option<DumpRecord>,
    last_verify: Option<Verification>,
    damage_found: Option<Unsettled>,
    lost_timelines: u64,
    key_check: Option<status::KeyCheck>,
    recovery_sheet: Option<status::RecoverySheet>,
}

impl Catalogued {
    pub fn into_restorable(self) -> Vec<Restorable> {
        self.restorable
    }
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
    let is_trusted =
        |marker: &&CommitMarker| trust::is_accepted(&marker.signed.standing(&context.trusted), &context.trusted);
    let trusted: Vec<Summary> = catalog.backups.iter().filter(is_trusted).map(|m| m.summary.clone()).collect();
    let backups = catalog.into_summaries();
    let untrusted = (backups.len() - trusted.len()) as u64;
    let listed = Listed::read(&reader, &opened.keys)?;
    let archive = listed.archive(&backups);
    let lost_timelines = (listed.unreadable.len() + archive.without_history().count()) as u64;
    let windows = archive.windows(&trusted);
    // Where only some backups are kept, so is only their WAL.
    let whole = Some(&archive).filter(|_| wanted.keep.is_none());
    let restorable =
        windows.iter().map(|window| restorable(&opened, window, &trusted, whole)).collect::<Result<_>>()?;
    let last_drill = records::latest(records::newest(&reader, &opened.keys)?)?;
    let last_dump_drill = records::latest(records::newest(&reader, &opened.keys)?)?;
    let verifications = verifications::last(&reader, &opened.keys)?;
    let damage_found = verification::unsettled(&verifications);
    let last_verify = last_verify(verifications);
    let (key_check, recovery_sheet) = set_up::read(context, &opened)?;
    let dumps = Dumps::read(&reader, &opened.keys)?;
    let has_dumps = !dumps.dumps.is_empty() || !dumps.unreadable.is_empty();
    Ok(Catalogued {
        system_identifier: opened.system_identifier,
        backups,
        unreadable,
        unreadable_dumps: dumps.unreadable.len() as u64,
        dumps: dumps.dumps.into_iter().map(|marker| marker.summary).collect(),
        untrusted,
        restorable,
        last_drill,
        has_dumps,
        last_dump_drill,
        last_verify,
        damage_found,
        lost_timelines,
        key_check,
        recovery_sheet,
    })
}

/// The last of everything, else the last at all.
fn last_verify(newest_first: Vec<Verification>) -> Option<Verification> {
    let whole = newest_first.iter().position(|it| it.backup.is_none()).unwrap_or(0);
    newest_first.into_iter().nth(whole)
}

fn restorable(opened: &Opened, window: &Window, backups: &[Summary], whole: Option<&Archive>) -> Result<Restorable> {
    let size = backups.first().map_or(0, |backup| backup.postgresql.wal_segment_size);
    let first = backups.iter().find(|backup| backup.id == window.backup).map_or(0, |backup| backup.start_lsn.0);
    let last = window.last.to_segment(size).map_or(0, |last| last.number);
    let (found, at_least) = last_commit(opened, window.timeline, size, first / size.max(1)..=last)?;
    // A restore to a time is proven by a later commit.
    let to =
        found.and_then(|last| last.checked_sub(SignedDuration::from_micros(1)).ok()).filter(|to| *to >= window.from);
    let (timeline, from, backup, newest) = (window.timeline, window.from, window.backup.clone(), window.newest.clone());
    let hole_since = whole.and_then(|archive| archive.after(window.last).map(|(_, object)| object.modified).min());
    let stored = whole.and_then(|archive| archive.stored(window.last));
    let end = stored.map(|stored| LastSegment { number: last, stored });
    let later = whole.and_then(|archive| archive.after(window.last).last());
    let last = later.map(|(number, object)| LastSegment { number, stored: object.modified }).or(end);
    Ok(Restorable { timeline, from, to, at_least, backup, newest, hole_since, last })
}

/// Of the newest segment that has one, and whether a newer one may have been passed over: a load may fill thousands
/// without a commit, so after a while steps become ever longer.
fn last_commit(
    opened: &Opened,
    timeline: TimelineId,
    size: u64,
    segments: RangeInclusive<u64>,
) -> Result<(Option<Timestamp>, bool)> {
    let (since, mut step, mut number) = (Instant::now(), 1, *segments.end());
    loop {
        let found = commit_in(opened, Segment { timeline, number }.name(size))?;
        let further = number.checked_sub(step).filter(|number| segments.contains(number));
        match further.filter(|_| found.is_none()) {
            None => return Ok((found, step > 1)),
            Some(next) => number = next,
        }
        step *= if since.elapsed() < EACH_FOR { 1 } else { 2 };
    }
}

/// What is not there, on another timeline or damaged tells no time; a recovery says more.
fn commit_in(opened: &Opened, segment: SegmentName) -> Result<Option<Timestamp>> {
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
    dump_bytes: u64,
    /// Trash, holds and such.
    other_bytes: u64,
    growth: Option<Growth>,
    space: Option<Space>,
    /// When the oldest object was created.
    oldest: Option<Timestamp>,
}

pub fn stored(context: &Context, wanted: &config::Repository) -> Result<Stored> {
    let repository = repository::open_one(&context.config, wanted)?;
    let mut stored = Stored {
        backup_bytes: 0,
        wal_bytes: 0,
        dump_bytes: 0,
        other_bytes: 0,
        growth: None,
        space: repository.space()?,
        oldest: None,
    };
    let (mut objects, mut freed) = (Vec::new(), 0);
    for Opened { keys, .. } in generations(&repository, context.config.name.as_ref())? {
        let entries = repository.reader().list(&keys.all())?;
        for entry in &entries {
            *stored.kind(&keys, entry.key.as_str()) += entry.size;
        }
        objects.extend(entries.iter().map(|entry| (entry.modified, entry.size)));
        freed += freed_within(context, wanted, &repository.reader(), &keys, &entries)?;
        freed += freed_dumps(context, wanted, &repository.reader(), &keys)?;
    }
    stored.oldest = objects.iter().map(|(created, _)| *created).min();
    stored.growth = Growth::of(objects.into_iter(), freed, context.now);
    Ok(stored)
}

impl Stored {
    fn kind(&mut self, keys: &ClusterKeys, key: &str) -> &mut u64 {
        let is_part = || keys.parts().iter().chain([&keys.backups()]).any(|prefix| key.starts_with(prefix));
        match key.starts_with(&keys.wal()) {
            true => &mut self.wal_bytes,
            false if key.starts_with(&keys.dumps()) => &mut self.dump_bytes,
            false if is_part() => &mut self.backup_bytes,
            false => &mut self.other_bytes,
        }
    }

    fn total(&self) -> u64 {
        self.backup_bytes + self.wal_bytes + self.dump_bytes + self.other_bytes
    }
}

/// Stored bytes of dumps that expiry will drop.
fn freed_dumps(context: &Context, wanted: &config::Repository, reader: &Reader, keys: &ClusterKeys) -> Result<u64> {
    let Some(policy) = context.config.dump_retention().filter(|_| wanted.keep.is_none()) else { return Ok(0) };
    let (dumps, holds) = (Dumps::read(reader, keys)?.dumps, hold::of_dumps(reader, keys)?);
    let proven = drills::newest_proven_dump(reader, keys, &dumps)?;
    let input = DumpInput { policy, dumps: &dumps, holds: &holds, proven: proven.as_ref(), now: context.now };
    Ok(dump_retention::freed_within(&input, SPAN))
}

/// What expiry will drop; nothing without retention, or where it stops at what it cannot read.
fn freed_within(
    context: &Context,
    wanted: &config::Repository,
    reader: &Reader,
    keys: &ClusterKeys,
    entries: &[Entry],
) -> Result<u64> {
    let Some(policy) = context.config.retention_of(wanted) else { return Ok(0) };
    let Ok(backups) = expire::committed(reader, keys) else { return Ok(0) };
    let holds = hold::of_backups(reader, keys)?;
    let Ok(listed) = Listed::among(entries, reader, keys)?.whole() else { return Ok(0) };
    let wal = listed.archive(&backups);
    let proven = drills::newest_proven(reader, keys, &backups)?;
    let input =
        Input { policy, backups: &backups, holds: &holds, proven: proven.as_ref(), wal: &wal, now: context.now };
    Ok(Plan::freed_within(&input, SPAN))
}

/// Only a further repository can be behind; where one is asked for alone, there is nothing to compare it with.
pub fn behind(context: &Context, wanted: &config::Repository) -> Result<Option<Behind>> {
    match context.config.others.iter().any(|other| other.name == wanted.name) {
        true => copy::behind(context, wanted).map(Some),
        false => Ok(None),
    }
}

/// All that was answered; the first failure stands for all of them, but for one of the others in a comparison.
pub fn report(context: &Context, wanted: &config::Repository, own: Vec<Option<Answer>>, wait: Duration) -> Repository {
    let mut report = Repository::new(&wanted.name, wanted.url.as_str(), wanted.required);
    for (number, answer) in own.into_iter().enumerate() {
        match answer {
            Some(Answer::Catalog(answer)) => match *answer {
                Ok(known) => report.tell(context.now, known),
                Err(error) => report.fail(context, error),
            },
            Some(Answer::Stored(Ok(stored))) => report.weigh(context.now, wanted, &stored),
            Some(Answer::Behind(Ok(behind))) => report.compare(context.now, behind.as_ref()),
            Some(Answer::Behind(Err(error))) => report.behind_unknown = Some(error.message),
            Some(Answer::Stored(Err(error))) => report.fail(context, error),
            Some(Answer::Host(..) | Answer::Server(_)) => {}
            // Any of the others may keep it waiting.
            None if number == COMPARISON => report.behind_unknown = Some(no_answer(wait).message),
            None => {
                report.unanswered |= report.error.is_none();
                report.fail(context, no_answer(wait));
            }
        }
    }
    // Where only some backups go nothing is promised.
    let promised = context.config.retention_of(wanted).filter(|_| wanted.keep.is_none());
    report.recovery_window_seconds = promised.map(|policy| policy.recovery_window.as_secs());
    report
}

impl Repository {
    fn tell(&mut self, now: Timestamp, known: Catalogued) {
        // A clock that was wrong once would hide that none has come since.
        let is_past = |backup: &&Summary| backup.stopped <= now + MAX_CLOCK_SKEW;
        let past = known.backups.iter().filter(is_past).max_by_key(|backup| backup.stopped);
        let newest = past.or_else(|| known.backups.iter().max_by_key(|backup| backup.stopped));
        self.backups = Some(known.backups.len() as u64);
        self.unreadable_backups = Some(known.unreadable);
        self.untrusted_backups = Some(known.untrusted);
        self.system_identifier = newest.map(|_| known.system_identifier.to_string());
        self.last_backup = newest.map(|backup| LastBackup {
            id: backup.id.clone(),
            stopped: backup.stopped,
            age_seconds: seconds_since(backup.stopped, now),
            data_bytes: backup.totals.data_bytes,
            stored_bytes: backup.totals.stored_bytes,
            flagged_pages: backup.flagged.count,
        });
        self.dumps = Some(known.dumps.len() as u64);
        self.unreadable_dumps = Some(known.unreadable_dumps);
        let past = known.dumps.iter().filter(|dump| dump.finished <= now + MAX_CLOCK_SKEW).max_by_key(|d| d.finished);
        let newest = past.or_else(|| known.dumps.iter().max_by_key(|dump| dump.finished));
        self.last_dump = newest.map(|dump| LastDump {
            id: dump.id.clone(),
            finished: dump.finished,
            age_seconds: seconds_since(dump.finished, now),
            data_bytes: dump.totals.data_bytes,
            stored_bytes: dump.totals.stored_bytes,
        });
        self.restorable = Some(known.restorable);
        self.last_drill = known.last_drill.map(|drill| LastDrill {
            age_seconds: seconds_since(drill.started, now),
            started: drill.started,
            passed: drill.passed,
            recovery_seconds: drill.recovery_seconds,
            backup: drill.backup,
        });
        self.has_dumps = known.has_dumps;
        self.last_dump_drill = known.last_dump_drill.map(|drill| LastDumpDrill {
            age_seconds: seconds_since(drill.started, now),
            started: drill.started,
            passed: drill.passed,
            load_seconds: drill.load_seconds,
            dump: drill.dump,
        });
        (self.damage_found, self.unreadable_timelines) = (known.damage_found, Some(known.lost_timelines));
        (self.key_check, self.recovery_sheet) = (known.key_check, known.recovery_sheet);
        self.last_verify = known.last_verify.map(|verify| LastVerify {
            age_seconds: seconds_since(verify.started, now),
            started: verify.started,
            passed: verify.passed,
            proof: verify.proof,
            covered: verify.covered,
            backup: verify.backup,
        });
    }

    fn weigh(&mut self, now: Timestamp, wanted: &config::Repository, stored: &Stored) {
        let total = stored.total();
        self.stored = Some(status::Stored {
            backup_bytes: stored.backup_bytes,
            wal_bytes: stored.wal_bytes,
            dump_bytes: stored.dump_bytes,
            total_bytes: total,
            free_bytes: stored.space.map(|space| space.free),
            added_bytes_per_day: stored.growth.map(|growth| growth.added),
            freed_bytes_per_day: stored.growth.map(|growth| growth.freed),
            full_in_days: stored
                .space
                .zip(stored.growth)
                .and_then(|(space, growth)| growth.days_until_full(space.free)),
            oldest_seconds: stored.oldest.map(|oldest| seconds_since(oldest, now)),
            monthly_cost: wanted.price.as_ref().map(|price| status::Cost {
                amount: price.amount * (total as f64 / GIB),
                currency: price.currency.clone(),
            }),
        });
    }

    /// Only the first is told.
    fn fail(&mut self, context: &Context, error: Error) {
        self.error.get_or_insert_with(|| status::Failure::of(&context.addressed_error(error)));
    }

    fn compare(&mut self, now: Timestamp, behind: Option<&Behind>) {
        self.behind = behind.map(|behind| status::Behind {
            backups: behind.backups,
            wal_files: behind.wal_files,
            seconds: behind.since.map(|since| seconds_since(since, now)),
        });
    }
}

fn seconds_since(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)
}
