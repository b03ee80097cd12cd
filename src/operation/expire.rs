//! `expire`: drops backups that no rule keeps, and what nothing needs any more. Needs no key.
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
mod foreseen;
mod freed;
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
use crate::model::key::ClusterName;
use crate::model::plan::retention::{Plan, Policy};
use crate::report::Listener;
use crate::report::expire::{Expire, Manner, Row};
use crate::store::Repository;

use carry_out::Work;
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
    let policy = context.config.retention_of(&context.config.repository);
    let report = place.expire(policy, request, listener);
    let report = report.map_err(|error| refuse::full(error, request))?;
    let next = match (policy, request) {
        (None, _) => "config show",
        (_, Request { dry_run: true, now: true, .. }) => "expire --now --yes",
        (_, Request { dry_run: true, .. }) if report.more_than_half => "expire --yes",
        (_, Request { dry_run: true, .. }) => "expire",
        _ => "list",
    };
    let next = context.command(next);
    Ok(Expire { next, only_backups: context.config.repository.keep.is_some(), ..report })
}

/// What expiry works on, and when.
pub struct Place {
    pub repository: Repository,
    pub cluster: Option<ClusterName>,
    /// By this host's clock.
    pub now: Timestamp,
    pub interrupt: Interrupt,
}

impl Place {
    /// All of it; without a policy nothing is dropped and nothing changed.
    pub fn expire(&self, policy: Option<&Policy>, request: &Request, listener: &dyn Listener) -> Result<Expire> {
        let mut observed = Vec::new();
        for generation in generations(&self.repository, self.cluster.as_ref())? {
            observed.push(Observed::read(&self.repository.reader(), generation.keys)?);
        }
        let Some(policy) = policy else { return Ok(self.everything_kept(&observed)) };
        let plans: Vec<Plan> = observed.iter().map(|o| o.plan(policy, self.now)).collect();
        if request.dry_run {
            let mut freed = Freed::default();
            for (observed, plan) in observed.iter().zip(&plans) {
                freed += self.foreseen(observed, plan, policy, request, listener)?;
            }
            return Ok(self.report(request, &observed, &plans, freed));
        }
        if !request.agreed {
            refuse::more_than_half(&plans)?;
        }
        let clock = clock::Clock::begin(&self.repository, &observed, self.now, request)?;
        let done = self.carry_out(policy, request, &observed, clock.earlier_of(self.now), listener);
        // What went wrong is of more use than that this fails as well.
        let ended = clock.end(&self.repository);
        let report = done?;
        ended.map(|()| report)
    }

    /// By the earlier of both clocks: so more is kept.
    fn carry_out(
        &self,
        policy: &Policy,
        request: &Request,
        observed: &[Observed],
        now: Timestamp,
        listener: &dyn Listener,
    ) -> Result<Expire> {
        let plans: Vec<Plan> = observed.iter().map(|o| o.plan(policy, now)).collect();
        let mut freed = Freed::default();
        for (observed, plan) in observed.iter().zip(&plans) {
            let work = Work::new(&self.repository, policy, now, request.now, &self.interrupt, listener);
            freed += work.run(observed, plan)?;
        }
        Ok(self.report(request, observed, &plans, freed))
    }

    fn report(&self, request: &Request, observed: &[Observed], plans: &[Plan], freed: Freed) -> Expire {
        let rows = observed.iter().zip(plans).flat_map(|(observed, plan)| observed.rows(plan));
        let backups: Vec<Row> = rows.collect();
        let manner = match request {
            Request { dry_run: true, .. } => Manner::DryRun,
            Request { now: true, .. } => Manner::AtOnce,
            _ => Manner::WithGrace,
        };
        // What an upgraded cluster left behind goes on no more.
        let newest = observed.iter().zip(plans).max_by_key(|(o, _)| o.backups.iter().map(|b| b.stopped).max());
        Expire {
            manner,
            retention: true,
            dropped: backups.iter().filter(|row| !row.kept).count() as u64,
            more_than_half: refuse::more_than_half(plans).is_err(),
            freed_bytes: freed.gone.bytes,
            freed_wal_files: freed.gone.wal_files,
            condemned_bytes: freed.condemned.bytes,
            condemned_wal_files: freed.condemned.wal_files,
            window_from: newest.and_then(|(_, plan)| plan.window_from),
            ..self.nothing(backups)
        }
    }

    fn everything_kept(&self, observed: &[Observed]) -> Expire {
        self.nothing(observed.iter().flat_map(Observed::rows_of_all).collect())
    }

    fn nothing(&self, backups: Vec<Row>) -> Expire {
        Expire {
            repository: self.repository.url().to_owned(),
            manner: Manner::DryRun,
            retention: false,
            backups,
            dropped: 0,
            more_than_half: false,
            freed_bytes: 0,
            freed_wal_files: 0,
            condemned_bytes: 0,
            condemned_wal_files: 0,
            grace_days: GRACE.as_hours() as u64 / 24,
            only_backups: false,
            window_from: None,
            next: String::new(),
        }
    }
}

impl Observed {
    fn plan(&self, policy: &Policy, now: Timestamp) -> Plan {
        Plan::new(&self.input(policy, now))
    }
}
