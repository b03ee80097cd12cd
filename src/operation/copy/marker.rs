//! Commit markers that cannot be read: what they hide is neither copied nor there.

use std::collections::BTreeSet;

use super::Route;
use crate::model::error::Error;
use crate::model::key::BackupId;
use crate::operation::catalog::{Catalog, Unreadable};

/// Those of the destination, and those of the others that no repository has sound. `trashed` are gone from the
/// destination by its own rules.
pub fn unreadable(
    route: &Route,
    others: &Catalog,
    there: &Catalog,
    trashed: &BTreeSet<BackupId>,
) -> Vec<(BackupId, Error)> {
    let is_sound = |catalog: &Catalog, id: &BackupId| catalog.summaries().any(|backup| backup.id == *id);
    let here = there.unreadable.iter().map(|marker| match is_sound(others, &marker.id) {
        true => (marker.id.clone(), marker.then_copied(&route.name)),
        false => (marker.id.clone(), nowhere_sound(marker, &route.name)),
    });
    let is_told = |id: &BackupId| there.unreadable.iter().any(|marker| marker.id == *id);
    let lost = others
        .unreadable
        .iter()
        .filter(|marker| !trashed.contains(&marker.id) && !is_sound(there, &marker.id) && !is_told(&marker.id));
    here.chain(lost.map(|marker| (marker.id.clone(), nowhere_sound(marker, &route.sources)))).collect()
}

fn nowhere_sound(marker: &Unreadable, name: &str) -> Error {
    marker.in_repository(name, ": no other repository has it sound")
}
