//! What tries of the backups have left in the repository: one small object each, named by when it began.

use crate::model::error::Result;
use crate::operation::catalog::read_small;
use crate::store::Reader;

/// Newest first. One that cannot be read proves nothing.
pub fn newest<T, P: Fn(&[u8]) -> Option<T>>(
    reader: &Reader,
    directory: &str,
    parse: P,
) -> Result<impl Iterator<Item = Result<T>> + use<T, P>> {
    let mut entries = reader.list(directory)?;
    entries.retain(|entry| entry.key.as_str().ends_with(".json"));
    // Names begin with the time.
    entries.sort_by(|a, b| b.key.cmp(&a.key));
    let reader = reader.clone();
    let read = move |key| Ok(read_small(&reader, &key)?.and_then(|bytes| parse(&bytes)));
    Ok(entries.into_iter().filter_map(move |entry| read(entry.key).transpose()))
}
