//! What a run would free, without changing anything.

use std::collections::HashSet;

use super::freed::{Amount, Freed};
use super::needs::{self, Doomed};
use super::observed::Observed;
use super::{Place, Request, condemned, trash};
use crate::model::catalog::Summary;
use crate::model::deletion::GRACE;
use crate::model::error::Result;
use crate::model::plan::retention::{Plan, Policy};
use crate::report::{Listener, Quiet};
use crate::store::Entry;

impl Place {
    pub(super) fn foreseen(
        &self,
        observed: &Observed,
        plan: &Plan,
        policy: &Policy,
        request: &Request,
        listener: &dyn Listener,
    ) -> Result<Freed> {
        let reader = self.repository.reader();
        let kept = observed.kept(plan);
        let gone: HashSet<_> = plan.dropped().cloned().collect();
        let garbage = needs::garbage(&reader, observed, &gone, &kept, &plan.unneeded_wal, self.now)?;
        if request.now {
            return Ok(Freed { gone: Amount::of(&garbage), ..Freed::default() });
        }
        let is_due = |entry: &&Entry| self.now.duration_since(entry.modified) >= GRACE;
        let due = condemned::named(&Quiet, &reader, observed.condemned.iter().filter(is_due))?;
        let named = condemned::named(listener, &reader, &observed.condemned)?;
        let now = self.purged(observed, policy)?;
        let condemned = Amount::of(garbage.iter().filter(|one| !named.contains(&one.key)));
        Ok(Freed { gone: Amount::of(now.iter().filter(|one| due.contains(&one.key))), condemned })
    }

    /// What neither a backup needs that is there now, nor one in younger trash.
    fn purged(&self, observed: &Observed, policy: &Policy) -> Result<Vec<Doomed>> {
        let reader = self.repository.reader();
        let is_old = |entry: &Entry| self.now.duration_since(entry.modified) >= GRACE;
        let expected_gone = |id: &_| observed.trash.get(id).is_some_and(|entries| entries.iter().all(is_old));
        let mut spared = trash::summaries(&reader, observed)?;
        spared.retain(|summary| !expected_gone(&summary.id));
        let kept: Vec<&Summary> = observed.backups.iter().chain(&spared).collect();
        let wal = Plan::unneeded_wal_of_all(&observed.input(policy, self.now), &spared);
        needs::garbage(&reader, observed, &HashSet::new(), &kept, &wal, self.now)
    }
}
