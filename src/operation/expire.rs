//! `expire`: drops backups that no rule keeps, and what nothing needs any more. Needs no key.
//!
//! There is no lock; the order of the steps keeps every promise whatever else runs and wherever this is killed:
//!
//! 1. `trash/<id>.json` gets the commit marker, then `backups/<id>.json` goes. Killed in between the backup is there.
//! 2. What was condemned a grace time ago by the store's clock goes, if nothing that is there now needs it. Before
//!    that goes the trash that is as old: `undelete` looks for it last.
//! 3. What nothing needs is condemned.

mod carry_out;
mod clock;
mod condemned;
mod needs;
mod observed;
mod refuse;
pub mod undelete;

use std::collections::HashSet;

use jiff::Timestamp;

use super::catalog::clusters;
use super::{Context, repository};
use crate::model::deletion::GRACE;
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::key::{ClusterKeys, ClusterName};
use crate::model::plan::retention::{Input, Plan, Policy};
use crate::report::Listener;
use crate::report::expire::{Expire, Manner, Row};
use crate::store::Repository;

use carry_out::{Freed, Work};
use observed::Observed;

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
    let (cluster, interrupt) = (context.config.name.clone(), context.interrupt.clone());
    let place = Place { repository, cluster, now: context.now, interrupt };
    let report = place.expire(context.config.retention.as_ref(), request, listener)?;
    let next = match (&context.config.retention, request) {
        (None, _) => context.command("config show"),
        (_, Request { dry_run: true, now, .. }) => context.command(if *now { "expire --now --yes" } else { "expire" }),
        _ => context.command("list"),
    };
    Ok(Expire { next, ..report })
}

/// Every system identifier of a cluster's name: an upgraded cluster leaves one behind.
pub(super) fn generations(repository: &Repository, name: Option<&ClusterName>) -> Result<Vec<ClusterKeys>> {
    let known = clusters(&repository.reader())?;
    let ours = known.into_iter().filter(|cluster| name.is_none_or(|name| *name == cluster.name));
    let keys =
        |c: super::catalog::KnownCluster| ClusterKeys::new(&c.name, c.system_identifier, repository.encryption());
    Ok(ours.map(keys).collect())
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
        for keys in generations(&self.repository, self.cluster.as_ref())? {
            observed.push(Observed::read(&self.repository.reader(), keys)?);
        }
        let Some(policy) = policy else { return Ok(self.everything_kept(&observed)) };
        let plans: Vec<Plan> = observed.iter().map(|o| o.plan(policy, self.now)).collect();
        if request.dry_run {
            return self.report(request, &observed, &plans, self.foreseen(&observed, &plans, request)?);
        }
        if !request.agreed {
            refuse::more_than_half(&plans)?;
        }
        let clock = clock::Clock::begin(&self.repository, &observed, self.now, request)?;
        // The plan is of the earlier of both clocks: so it keeps more.
        let now = clock.earlier_of(self.now);
        let plans: Vec<Plan> = observed.iter().map(|o| o.plan(policy, now)).collect();
        let mut freed = Freed::default();
        for (observed, plan) in observed.iter().zip(&plans) {
            let work = Work { repository: &self.repository, policy, now, interrupt: &self.interrupt, listener };
            freed += if request.now { work.at_once(observed, plan)? } else { work.with_grace(observed, plan)? };
        }
        clock.end(&self.repository)?;
        self.report(request, &observed, &plans, freed)
    }

    /// What a run would free at once, and what it would condemn.
    fn foreseen(&self, observed: &[Observed], plans: &[Plan], request: &Request) -> Result<Freed> {
        let mut freed = Freed::default();
        for (observed, plan) in observed.iter().zip(plans) {
            let condemned = self.garbage(observed, plan)?;
            freed.add(&condemned, request.now);
        }
        Ok(freed)
    }

    fn garbage(&self, observed: &Observed, plan: &Plan) -> Result<Vec<needs::Doomed>> {
        let (reader, kept) = (self.repository.reader(), observed.kept(plan));
        needs::garbage(&reader, observed, &HashSet::new(), &kept, &plan.unneeded_wal, self.now)
    }

    fn report(&self, request: &Request, observed: &[Observed], plans: &[Plan], freed: Freed) -> Result<Expire> {
        let rows = observed.iter().zip(plans).flat_map(|(observed, plan)| observed.rows(plan));
        let backups: Vec<Row> = rows.collect();
        let manner = match request {
            Request { dry_run: true, .. } => Manner::DryRun,
            Request { now: true, .. } => Manner::AtOnce,
            _ => Manner::WithGrace,
        };
        Ok(Expire {
            repository: self.repository.url().to_owned(),
            manner,
            retention: true,
            dropped: backups.iter().filter(|row| !row.kept).count() as u64,
            unneeded_segments: plans.iter().map(|plan| plan.unneeded_wal.len() as u64).sum(),
            freed_bytes: freed.freed,
            condemned_bytes: freed.condemned,
            grace_days: GRACE.as_hours() as u64 / 24,
            window_from: plans.iter().filter_map(|plan| plan.window_from).max(),
            backups,
            next: String::new(),
        })
    }

    fn everything_kept(&self, observed: &[Observed]) -> Expire {
        let rows = observed.iter().flat_map(Observed::rows_of_all);
        Expire {
            repository: self.repository.url().to_owned(),
            manner: Manner::DryRun,
            retention: false,
            backups: rows.collect(),
            dropped: 0,
            unneeded_segments: 0,
            freed_bytes: 0,
            condemned_bytes: 0,
            grace_days: GRACE.as_hours() as u64 / 24,
            window_from: None,
            next: String::new(),
        }
    }
}

impl Observed {
    fn plan(&self, policy: &Policy, now: Timestamp) -> Plan {
        let (backups, holds, wal) = (&self.backups[..], &self.holds, &self.wal);
        Plan::new(&Input { policy, backups, holds, proven: None, wal, now })
    }
}
