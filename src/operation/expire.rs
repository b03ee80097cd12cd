//! `expire`: drops backups and dumps that no rule keeps, and what nothing needs any more. Needs no key.
//!
//! There is no lock; the order of the steps keeps every promise whatever else runs and wherever this is killed:
//!
//! 1. The commit marker goes into the trash, then `backups/<id>.json` goes. Killed in between the backup is there.
//! 2. What was condemned a grace time ago by the store's clock goes, if nothing that is there now needs it. Before
//!    that goes the trash that is as old.
//! 3. What nothing needs is condemned.
//!
//! `--now` does the same without the grace time, and without what it cannot write.

mod carry_out;
mod clock;
mod condemned;
mod dumps;
mod elsewhere;
mod foreseen;
mod freed;
mod lacking;
mod needs;
mod observed;
mod refuse;
mod trash;
pub mod undelete;

use jiff::Timestamp;

use super::catalog::generations;
use super::{Context, repository};
use crate::model::deletion::GRACE;
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::key::{BackupId, ClusterKeys, ClusterName};
use crate::model::plan::dump_retention::DumpPolicy;
use crate::model::plan::retention::{Plan, Policy, Verdict};
use crate::report::Listener;
use crate::report::expire::{DumpRow, Expire, Manner, Row};
use crate::store::{Reader, Repository};

use carry_out::Work;
use dumps::ObservedDumps;
use freed::Freed;
pub(super) use observed::{Observed, committed};
pub(super) use refuse::clock_skew;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    pub dry_run: bool,
    /// No grace time, and nothing written.
    pub now: bool,
    /// What is refused otherwise.
    pub agreed: bool,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Expire> {
    refuse::unconfirmed(request)?;
    let repository = repository::open(&context.config)?;
    repository::is_none_of_the_others(&context.config, &repository)?;
    let (cluster, interrupt) = (context.config.name.clone(), context.interrupt.clone());
    let place = Place { repository, cluster, now: context.now, interrupt };
    let config = &context.config;
    // Where only some backups go there is no dump.
    let dumps = config.dump_retention().filter(|_| config.repository.keep.is_none());
    let policies = Policies { backups: config.retention_of(&config.repository), dumps };
    let mut wanted_elsewhere = Vec::new();
    let report = place.expire_after(policies, request, listener, |planned| {
        // Whoever frees a full disk does not wait for a store that is away.
        if !request.now {
            wanted_elsewhere = elsewhere::tell(context, planned, listener);
        }
    });
    let report = report.map_err(|error| refuse::full(error, request))?;
    let next = match request {
        _ if policies.are_none() => "config show",
        Request { dry_run: true, now: true, .. } => "expire --now --yes",
        Request { dry_run: true, .. } if report.more_than_half => "expire --yes",
        Request { dry_run: true, .. } => "expire",
        _ => "list",
    };
    let next = context.command(next);
    Ok(Expire { next, wanted_elsewhere, only_backups: config.repository.keep.is_some(), ..report })
}

/// What is kept; everything of what has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'p> {
    pub backups: Option<&'p Policy>,
    pub dumps: Option<&'p DumpPolicy>,
}

impl Policies<'_> {
    fn are_none(&self) -> bool {
        self.backups.is_none() && self.dumps.is_none()
    }
}

/// What expiry works on, and when.
pub struct Place {
    pub repository: Repository,
    pub cluster: Option<ClusterName>,
    /// By this host's clock.
    pub now: Timestamp,
    pub interrupt: Interrupt,
}

/// One system identifier's, and what its policies make of it.
struct Planned {
    observed: Observed,
    backups: Option<Plan>,
    dumps: ObservedDumps,
    dump_verdicts: Vec<Verdict>,
}

impl Planned {
    fn read(reader: &Reader, keys: ClusterKeys) -> Result<Planned> {
        let observed = Observed::read(reader, keys.clone())?;
        let dumps = ObservedDumps::read(reader, keys)?;
        Ok(Planned { observed, backups: None, dumps, dump_verdicts: Vec::new() })
    }

    /// Objects of their own.
    fn lacking(&self) -> impl Iterator<Item = &BackupId> {
        let backups = self.observed.backups.iter().filter(|backup| backup.lacks_objects).map(|backup| &backup.id);
        let dumps = self.dumps.dumps.iter().map(|marker| &marker.summary).filter(|dump| dump.lacks_objects);
        backups.chain(dumps.map(|dump| &dump.id))
    }

    fn judge(&mut self, policies: Policies<'_>, now: Timestamp) {
        self.backups = policies.backups.map(|policy| Plan::new(&self.observed.input(policy, now)));
        self.dump_verdicts = self.dumps.plan(policies.dumps, now);
    }
}

impl Place {
    /// All of it; without a policy nothing is dropped and nothing changed.
    pub fn expire(&self, policies: Policies<'_>, request: &Request, listener: &dyn Listener) -> Result<Expire> {
        self.expire_after(policies, request, listener, |_| ())
    }

    /// `look` sees what is to be dropped before it is.
    fn expire_after(
        &self,
        policies: Policies<'_>,
        request: &Request,
        listener: &dyn Listener,
        look: impl FnOnce(&Expire),
    ) -> Result<Expire> {
        let mut all = Vec::new();
        for generation in generations(&self.repository, self.cluster.as_ref())? {
            all.push(Planned::read(&self.repository.reader(), generation.keys)?);
        }
        let unreadable = all.iter().flat_map(|planned| &planned.dumps.unreadable);
        unreadable.for_each(|(_, error)| listener.warning(error.clone()));
        all.iter().flat_map(Planned::lacking).for_each(|id| listener.warning(lacking::told(id)));
        if policies.are_none() {
            return Ok(self.report(request, policies, &all, Freed::default()));
        }
        all.iter_mut().for_each(|planned| planned.judge(policies, self.now));
        if request.agreed || request.dry_run || refuse::more_than_half(&all).is_ok() {
            look(&self.report(request, policies, &all, Freed::default()));
        }
        if request.dry_run {
            let mut freed = Freed::default();
            for planned in &all {
                freed += self.foreseen_of(planned, policies, request, listener)?;
            }
            return Ok(self.report(request, policies, &all, freed));
        }
        if !request.agreed {
            refuse::more_than_half(&all)?;
        }
        let keys = all.first().map(|planned| &planned.observed.keys);
        let clock = clock::Clock::begin(&self.repository, keys, self.now, request)?;
        // By the earlier of both clocks: so more is kept.
        let now = clock.earlier_of(self.now);
        all.iter_mut().for_each(|planned| planned.judge(policies, now));
        let done = self.carry_out(policies, request, &all, now, listener);
        // What went wrong is of more use than that this fails as well.
        let ended = clock.end(&self.repository);
        let freed = done?;
        ended.map(|()| self.report(request, policies, &all, freed))
    }

    fn carry_out(
        &self,
        policies: Policies<'_>,
        request: &Request,
        all: &[Planned],
        now: Timestamp,
        listener: &dyn Listener,
    ) -> Result<Freed> {
        let mut freed = Freed::default();
        for planned in all {
            let work = Work::new(&self.repository, now, request.now, &self.interrupt, listener);
            if let (Some(plan), Some(policy)) = (&planned.backups, policies.backups) {
                freed += work.run(&planned.observed, plan, policy)?;
            }
            freed += dumps::carry_out(&work, &planned.dumps, &planned.dump_verdicts)?;
        }
        Ok(freed)
    }

    fn foreseen_of(
        &self,
        planned: &Planned,
        policies: Policies<'_>,
        request: &Request,
        listener: &dyn Listener,
    ) -> Result<Freed> {
        let mut freed = planned.dumps.foreseen(&planned.dump_verdicts, request, self.now);
        if let (Some(plan), Some(policy)) = (&planned.backups, policies.backups) {
            freed += self.foreseen(&planned.observed, plan, policy, request, listener)?;
        }
        Ok(freed)
    }

    fn report(&self, request: &Request, policies: Policies<'_>, all: &[Planned], freed: Freed) -> Expire {
        let backups: Vec<Row> =
            all.iter().flat_map(|planned| planned.observed.rows(planned.backups.as_ref())).collect();
        let dumps: Vec<DumpRow> = all.iter().flat_map(|planned| planned.dumps.rows(&planned.dump_verdicts)).collect();
        let manner = match request {
            Request { dry_run: true, .. } => Manner::DryRun,
            _ if policies.are_none() => Manner::DryRun,
            Request { now: true, .. } => Manner::AtOnce,
            _ => Manner::WithGrace,
        };
        // What an upgraded cluster left behind goes on no more.
        let newest = all.iter().max_by_key(|planned| planned.observed.backups.iter().map(|b| b.stopped).max());
        Expire {
            repository: self.repository.url().to_owned(),
            manner,
            retention: policies.backups.is_some(),
            dump_retention: policies.dumps.is_some(),
            dropped: backups.iter().filter(|row| !row.kept).count() as u64,
            lacking: all.iter().flat_map(Planned::lacking).cloned().collect(),
            wanted_elsewhere: Vec::new(),
            dropped_dumps: dumps.iter().filter(|row| !row.kept).count() as u64,
            more_than_half: refuse::more_than_half(all).is_err(),
            freed_bytes: freed.gone.bytes,
            freed_wal_files: freed.gone.wal_files,
            condemned_bytes: freed.condemned.bytes,
            condemned_wal_files: freed.condemned.wal_files,
            grace_days: GRACE.as_hours() as u64 / 24,
            only_backups: false,
            window_from: newest.and_then(|planned| planned.backups.as_ref()?.window_from),
            backups,
            dumps,
            next: String::new(),
        }
    }
}
