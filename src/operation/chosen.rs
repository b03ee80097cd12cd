//! One backup or dump of all generations of a cluster, by what a person calls it. What fits several is never taken for absent.

use jiff::Timestamp;

use super::catalog::{Catalog, choose_cluster, generations, unresolved};
use super::dump::catalog::Dumps;
use super::repository::Opened;
use crate::config::Config;
use crate::model::catalog::CommitMarker;
use crate::model::dump;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterName};
use crate::model::selector::{Selector, SelectorError};
use crate::store::Repository;

/// What a name means.
pub struct Found<T> {
    pub id: BackupId,
    /// Of the generation that has it.
    pub opened: Opened,
    pub what: T,
}

/// Of one generation, each with what it is ordered by.
pub type Candidates<K, T> = Vec<(K, BackupId, T)>;

/// Among all that `look` finds in each generation. `missing` says that none fits the name, and of which there are some.
pub fn find<K: Ord, T>(
    (repository, cluster): (&Repository, Option<&ClusterName>),
    selector: &Selector,
    look: impl Fn(&Opened) -> Result<Candidates<K, T>>,
    missing: impl Fn(&SelectorError, &[&BackupId]) -> Error,
) -> Result<Found<T>> {
    let mut all = Vec::new();
    for opened in generations(repository, cluster)? {
        let found = |(order, id, what)| (order, Found { id, opened: opened.clone(), what });
        all.extend(look(&opened)?.into_iter().map(found));
    }
    all.sort_by(|(a_order, a), (b_order, b)| (a_order, &a.id).cmp(&(b_order, &b.id)));
    let ids: Vec<&BackupId> = all.iter().map(|(_, found)| &found.id).collect();
    let id = selector.resolve(&ids).map_err(|error| match error {
        SelectorError::Ambiguous { .. } => unresolved(&error),
        error => missing(&error, &ids),
    })?;
    let id = id.clone();
    let found = all.into_iter().map(|(_, found)| found).find(|found| found.id == id);
    found.ok_or_else(|| missing(&SelectorError::NotFound { wanted: selector.clone(), there_are: 0 }, &[]))
}

/// The generation that `backup` is of, where it is called by its id; else the cluster's newest.
pub fn generation(config: &Config, repository: Repository, backup: Option<&Selector>) -> Result<Opened> {
    let named = backup.filter(|selector| matches!(selector, Selector::Prefix(_)));
    let found = named.map(|selector| self::backup((&repository, config.name.as_ref()), selector, unresolved));
    match found.transpose() {
        Ok(Some(found)) => Ok(found.opened),
        Err(error) if error.code != Code::NotFound => Err(error),
        Ok(None) | Err(_) => choose_cluster(config, repository),
    }
}

/// A complete backup, the latest by when it ended.
pub fn backup(
    place: (&Repository, Option<&ClusterName>),
    selector: &Selector,
    missing: impl Fn(&SelectorError) -> Error,
) -> Result<Found<CommitMarker>> {
    let Found { id, opened, what } =
        find(place, selector, |opened| backups(opened, selector), |error, _| missing(error))?;
    Ok(Found { id, opened, what: what? })
}

type Backups = Candidates<Option<Timestamp>, Result<CommitMarker>>;

/// Those of one generation that such a name may mean.
fn backups(opened: &Opened, selector: &Selector) -> Result<Backups> {
    let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
    // Nobody knows how new an unreadable one is.
    let is_named = matches!(selector, Selector::Prefix(_));
    let unreadable = catalog.unreadable.iter().filter(|_| is_named);
    let unreadable = unreadable.map(|marker| (None, marker.id.clone(), Err(marker.as_error()))).collect::<Vec<_>>();
    let sound = catalog.backups.into_iter().map(|b| (Some(b.summary.stopped), b.summary.id.clone(), Ok(b)));
    Ok(sound.chain(unreadable).collect())
}

/// What has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Backup(CommitMarker),
    Dump(dump::Marker),
}

/// A backup, or by its id a dump: `latest` alone means the latest backup.
pub fn backup_or_dump(place: (&Repository, Option<&ClusterName>), selector: &Selector) -> Result<Found<Kept>> {
    let look = |opened: &Opened| {
        let backups = backups(opened, selector)?.into_iter();
        let mut all: Candidates<_, Result<Kept>> =
            backups.map(|(order, id, marker)| (order, id, marker.map(Kept::Backup))).collect();
        if matches!(selector, Selector::Prefix(_)) {
            let dumps = Dumps::read(&opened.repository.reader(), &opened.keys)?;
            let sound = dumps.dumps.into_iter();
            all.extend(sound.map(|d| (Some(d.summary.finished), d.summary.id.clone(), Ok(Kept::Dump(d)))));
            all.extend(dumps.unreadable.into_iter().map(|(id, error)| (None, id, Err(error))));
        }
        Ok(all)
    };
    let Found { id, opened, what } = find(place, selector, look, |error, _| unresolved(error))?;
    Ok(Found { id, opened, what: what? })
}
