//! That all repositories between which is copied hold one history. Two servers may have archived under the same names,
//! each into a repository of its own; what is brought from one to the other could not be told apart afterwards.
//!
//! Whoever has parted never comes together again: on each timeline the newest segment that both have decides, and whether
//! it is one timeline at all its history file.

use std::collections::{BTreeMap, BTreeSet};

use super::Route;
use crate::model::error::{Code, Result};
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::catalog::generations;
use crate::operation::repository::Opened;
use crate::operation::wal::archived;
use crate::operation::wal::histories::Pair;

/// Before anything is brought. By envelopes, as there is no key: a rotten one may look like another history, and then a
/// person has to look.
pub fn check(route: &Route) -> Result<()> {
    for from in generations(&route.from, route.cluster.as_ref())? {
        let to = Opened { repository: route.to.clone(), ..from.clone() };
        let each: Vec<Opened> = from.each().into_iter().chain([to]).collect();
        let names = |one: &Opened| archived::names(&one.repository.reader(), &one.keys, &one.keys.wal());
        let wal: Vec<BTreeSet<WalName>> = each.iter().map(names).collect::<Result<_>>()?;
        for b in 1..each.len() {
            for a in 0..b {
                route.interrupt.check()?;
                agree(&Pair { a: &each[a], b: &each[b], opener: None }, &wal[a], &wal[b])?;
            }
        }
    }
    Ok(())
}

fn agree(pair: &Pair<'_>, a: &BTreeSet<WalName>, b: &BTreeSet<WalName>) -> Result<()> {
    let mut common: BTreeMap<TimelineId, Vec<WalName>> = BTreeMap::new();
    for name in a.intersection(b) {
        common.entry(name.timeline()).or_default().push(*name);
    }
    for (timeline, names) in common {
        let newest_first = names.iter().rev().filter(|name| matches!(name, WalName::Segment(_))).copied();
        let history = names.iter().find(|name| **name == WalName::History(timeline)).copied();
        for each in [history.into_iter().collect(), newest_first.collect::<Vec<WalName>>()] {
            pair.agree(each).map_err(|error| match error.code {
                Code::Conflict => error.hint(look_at_both(pair)),
                _ => error,
            })?;
        }
    }
    Ok(())
}

fn look_at_both(pair: &Pair<'_>) -> String {
    let (a, b) = (pair.a.repository.name(), pair.b.repository.name());
    format!(
        "take one of both out of the configuration; what each holds: pgcairn wal list --repository {a}, pgcairn wal list --repository {b}"
    )
}
