//! A hold belongs to the repository it is made in: which of the others have the backup, and hold it or not.

use super::repository::open_each;
use super::{Context, hold};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys};
use crate::report::Listener;
use crate::store::Repository;

/// Names of the others that have the backup, by whether they hold it. What cannot be told is warned of: the hold itself
/// is changed by then.
pub fn names(
    context: &Context,
    keys: &ClusterKeys,
    id: &BackupId,
    is_held: bool,
    listener: &dyn Listener,
) -> Vec<String> {
    if context.config.others.is_empty() {
        return Vec::new();
    }
    let own = &context.config.repository.name;
    let opened = open_each(&context.config, listener).unwrap_or_else(|error| {
        listener.warning(error);
        Vec::new()
    });
    let others = opened.iter().filter(|(named, _)| named.name != *own);
    let mut names = Vec::new();
    for (named, repository) in others {
        match holds(context, repository, keys, id) {
            Ok(found) => names.extend((found == Some(is_held)).then(|| named.name.clone())),
            Err(error) => listener.warning(unknown(&named.name, id, error)),
        }
    }
    names
}

/// `None` where the backup is not there.
fn holds(context: &Context, repository: &Repository, keys: &ClusterKeys, id: &BackupId) -> Result<Option<bool>> {
    let reader = repository.reader();
    let Some(_) = reader.stat_if_there(&keys.marker_of(id))? else { return Ok(None) };
    Ok(Some(hold::read(&reader, keys, id)?.is_some_and(|hold| hold.counts_at(context.now))))
}

fn unknown(name: &str, id: &BackupId, error: Error) -> Error {
    let message = format!("whether {name} holds {} {id} is not known: {}", id.noun(), error.message);
    Error { message, code: Code::Flagged, ..error }
}
