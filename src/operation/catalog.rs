//! The backups of a repository: one listing, one small read for each.

use std::collections::BTreeSet;
use std::io::Read;

use crate::config::Config;
use crate::model::catalog::{CatalogError, CommitMarker, MAX_COMMIT_MARKER, Summary, parse_commit_marker};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, ClusterName, Key};
use crate::model::selector::{Selector, SelectorError};
use crate::store::{Reader, Repository};

use super::failure;
use super::repository::Opened;

const CLUSTERS: &str = "clusters";

/// A cluster that a repository knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownCluster {
    pub name: ClusterName,
    pub system_identifier: u64,
}

/// All backups of one cluster, ordered by timeline and stop LSN.
pub struct Catalog {
    pub backups: Vec<CommitMarker>,
    /// Commit markers that cannot be read, each with its reason.
    pub unreadable: Vec<Unreadable>,
}

/// What to do about one that no repository has sound.
pub const GIVE_UP: &str = "put it back, or give the backup up by moving this object out of the repository";

/// A commit marker that is no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub id: BackupId,
    pub key: Key,
    pub error: CatalogError,
}

impl Catalog {
    pub fn read(reader: &Reader, keys: &ClusterKeys) -> Result<Catalog> {
        let mut catalog = Catalog { backups: Vec::new(), unreadable: Vec::new() };
        for entry in reader.list(&keys.backups())? {
            let Some(id) = keys.backup_id_of(&entry.key) else { continue };
            // A listing that races with a deletion is no damage.
            let Some(bytes) = read_small(reader, &entry.key)? else { continue };
            let parsed = parse_commit_marker(&bytes, &entry.key);
            match parsed.or_else(|error| parse_other(reader, &entry.key).ok_or(error)) {
                Ok(marker) => catalog.backups.push(marker),
                Err(error) => catalog.unreadable.push(Unreadable { id, key: entry.key, error }),
            }
        }
        catalog.backups.sort_by_key(|CommitMarker { summary: b, .. }| (b.timeline, b.stop_lsn, b.id.clone()));
        Ok(catalog)
    }

    pub fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.backups.iter().map(|backup| &backup.summary)
    }

    pub fn into_summaries(self) -> Vec<Summary> {
        self.backups.into_iter().map(|backup| backup.summary).collect()
    }

    pub fn select(&self, selector: &Selector) -> Result<&CommitMarker> {
        let mut ids: Vec<&BackupId> = self.backups.iter().map(|backup| &backup.summary.id).collect();
        // Nobody knows how new an unreadable one is.
        if matches!(selector, Selector::Prefix(_)) {
            ids.extend(self.unreadable.iter().map(|unreadable| &unreadable.id));
        }
        let id = selector.resolve(&ids).map_err(|error| unresolved(&error))?;
        if let Some(unreadable) = self.unreadable.iter().find(|unreadable| unreadable.id == *id) {
            return Err(unreadable.as_error());
        }
        let found = self.backups.iter().find(|backup| backup.summary.id == *id);
        found.ok_or_else(|| Error::new(Code::Internal, format!("backup {id} is selected and not in the catalog")))
    }
}

/// What fits several is not absent.
pub fn unresolved(error: &SelectorError) -> Error {
    match error {
        SelectorError::Ambiguous { .. } => {
            Error::new(Code::Usage, error.to_string()).hint("give more of its id: pgcairn list")
        }
        _ => Error::new(Code::NotFound, error.to_string()).hint("what there is: pgcairn list"),
    }
}

/// Of another repository, where reads look into several.
fn parse_other(reader: &Reader, key: &Key) -> Option<CommitMarker> {
    while reader.turn_from(key) {
        if let Some(marker) = read_small(reader, key).ok().flatten().and_then(|b| parse_commit_marker(&b, key).ok()) {
            return Some(marker);
        }
    }
    None
}

impl Unreadable {
    pub fn as_error(&self) -> Error {
        let message = format!("{}: {}", self.key, self.error);
        match self.error {
            CatalogError::TooNew { .. } => Error::new(Code::RepositoryTooNew, message).hint("install a newer pgcairn"),
            _ => Error::new(Code::Damaged, message).hint("use another backup: pgcairn list"),
        }
    }

    /// Of a backup that was named before; `away` says what becomes of it where this is moved away.
    pub fn in_repository(&self, name: &str, away: &str) -> Error {
        let error = self.as_error();
        let message = format!("its commit marker in {name} cannot be read: {}", self.error);
        match error.code {
            Code::Damaged => Error::new(error.code, message).hint(format!("move {} out of {name}{away}", self.key)),
            _ => Error { message, ..error },
        }
    }

    /// Another repository has it, or may have it; nothing is overwritten.
    pub fn then_copied(&self, name: &str) -> Error {
        self.in_repository(name, &format!(", then pgcairn copy --all --to {name}"))
    }
}

/// At most one byte more than a commit marker may have.
pub(super) fn read_small(reader: &Reader, key: &Key) -> Result<Option<Vec<u8>>> {
    let Some(object) = reader.find(key)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = object.take(MAX_COMMIT_MARKER as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| failure::unreadable(key, &e))?;
    Ok(Some(bytes))
}

/// The clusters of a repository: their names, and below each its system identifiers.
pub fn clusters(reader: &Reader) -> Result<BTreeSet<KnownCluster>> {
    let mut known = BTreeSet::new();
    for child in reader.children(CLUSTERS)? {
        let Ok(name) = ClusterName::new(child) else { continue };
        let identifiers = reader.children(&format!("{CLUSTERS}/{name}"))?;
        let cluster = |id: u64| KnownCluster { name: name.clone(), system_identifier: id };
        known.extend(identifiers.iter().filter_map(|id| id.parse().ok()).map(cluster));
    }
    Ok(known)
}

/// Every system identifier of a cluster's name: an upgraded cluster leaves one behind. Without a name those of all.
pub fn generations(repository: &Repository, name: Option<&ClusterName>) -> Result<Vec<Opened>> {
    let known = clusters(&repository.reader())?;
    let ours = known.into_iter().filter(|cluster| name.is_none_or(|name| *name == cluster.name));
    Ok(ours.map(|cluster| Opened::new(repository.clone(), cluster.name, cluster.system_identifier)).collect())
}

/// The one cluster meant: by name where one is given, and by its newest backup where the name was used
/// for several system identifiers in turn (after a major upgrade).
pub fn choose_cluster(config: &Config, repository: Repository) -> Result<Opened> {
    let named = generations(&repository, config.name.as_ref())?;
    let names: BTreeSet<&ClusterName> = named.iter().map(|generation| &generation.cluster).collect();
    if names.len() > 1 {
        let held = names.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::new(Code::Usage, format!("{} holds several clusters: {held}", config.repository.url))
            .hint(one_of(names.iter())));
    }
    let mut newest: Option<(jiff::Timestamp, Opened)> = None;
    for generation in named {
        let catalog = Catalog::read(&repository.reader(), &generation.keys)?;
        let last = catalog.summaries().map(|b| b.stopped).max().unwrap_or(jiff::Timestamp::MIN);
        newest = newest.filter(|(time, _)| *time >= last).or(Some((last, generation)));
    }
    match newest {
        Some((_, generation)) => Ok(generation),
        None => Err(no_cluster(config, &clusters(&repository.reader())?)),
    }
}

fn no_cluster(config: &Config, known: &BTreeSet<KnownCluster>) -> Error {
    let wanted = config.name.as_ref().map_or("any cluster".to_owned(), |name| format!("cluster {name}"));
    let names: BTreeSet<&ClusterName> = known.iter().map(|cluster| &cluster.name).collect();
    let (held, hint) = match names.iter().map(|name| name.as_str()).collect::<Vec<_>>() {
        none if none.is_empty() => {
            ("it is empty".to_owned(), "another --repository, or the first backup: pgcairn backup".to_owned())
        }
        some => (format!("it holds {}", some.join(", ")), one_of(names.iter())),
    };
    Error::new(Code::NotFound, format!("{} holds nothing of {wanted}: {held}", config.repository.url)).hint(hint)
}

/// What to add, as a hint.
fn one_of<'n>(names: impl Iterator<Item = &'n &'n ClusterName>) -> String {
    names.map(|name| format!("--cluster {name}")).collect::<Vec<_>>().join(" or ")
}
