//! One backup of all generations of a cluster, by what a person calls it. What fits several is never taken for absent.

use super::catalog::Catalog;
use super::expire::generations;
use crate::model::catalog::Summary;
use crate::model::error::{Error, Result};
use crate::model::key::{BackupId, ClusterKeys, ClusterName};
use crate::model::selector::{Selector, SelectorError};
use crate::store::Repository;

/// What a name means.
pub struct Found<T> {
    pub id: BackupId,
    pub keys: ClusterKeys,
    pub what: T,
}

/// Of one generation, each with what it is ordered by.
pub type Candidates<K, T> = Vec<(K, BackupId, T)>;

/// Among all that `look` finds in each generation. `missing` says that none fits the name, and of which there are some.
pub fn find<K: Ord, T>(
    (repository, cluster): (&Repository, Option<&ClusterName>),
    selector: &Selector,
    look: impl Fn(&ClusterKeys) -> Result<Candidates<K, T>>,
    missing: impl Fn(&SelectorError, &[&BackupId]) -> Error,
) -> Result<Found<T>> {
    let mut all = Vec::new();
    for keys in generations(repository, cluster)? {
        all.extend(look(&keys)?.into_iter().map(|(order, id, what)| (order, Found { id, keys: keys.clone(), what })));
    }
    all.sort_by(|(a_order, a), (b_order, b)| (a_order, &a.id).cmp(&(b_order, &b.id)));
    let ids: Vec<&BackupId> = all.iter().map(|(_, found)| &found.id).collect();
    let id = selector.resolve(&ids).map_err(|error| match error {
        SelectorError::Ambiguous { .. } => Error { message: error.to_string(), ..missing(&error, &ids) },
        error => missing(&error, &ids),
    })?;
    let id = id.clone();
    let found = all.into_iter().map(|(_, found)| found).find(|found| found.id == id);
    found.ok_or_else(|| missing(&SelectorError::NotFound { wanted: selector.clone(), there_are: 0 }, &[]))
}

/// A complete backup, the latest by when it ended.
pub fn backup(
    place: (&Repository, Option<&ClusterName>),
    selector: &Selector,
    missing: impl Fn(&SelectorError) -> Error,
) -> Result<Found<Summary>> {
    let look = |keys: &ClusterKeys| {
        let catalog = Catalog::read(&place.0.reader(), keys)?;
        // Nobody knows how new an unreadable one is.
        let is_named = matches!(selector, Selector::Prefix(_));
        let unreadable = catalog.unreadable.iter().filter(|_| is_named);
        let unreadable = unreadable.map(|marker| (None, marker.id.clone(), Err(marker.as_error()))).collect::<Vec<_>>();
        let sound = catalog.into_summaries().into_iter().map(|b| (Some(b.stopped), b.id.clone(), Ok(b)));
        Ok(sound.chain(unreadable).collect())
    };
    let Found { id, keys, what } = find(place, selector, look, |error, _| missing(error))?;
    Ok(Found { id, keys, what: what? })
}
