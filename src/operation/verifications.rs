//! What runs of `verify` have left in the repository.

use crate::model::error::Result;
use crate::model::key::ClusterKeys;
use crate::model::verification::Record;
use crate::operation::records;
use crate::store::Reader;

/// The last of everything with those after it, newest first whatever their names are.
pub fn last(reader: &Reader, keys: &ClusterKeys) -> Result<Vec<Record>> {
    let mut last: Vec<Record> = Vec::new();
    let second = |record: &Record| record.started.as_second();
    for record in records::newest::<Record>(reader, keys)? {
        let record = record?;
        let whole = last.iter().find(|known| known.backup.is_none());
        // Names tell seconds.
        if whole.is_some_and(|whole| second(&record) < second(whole)) {
            break;
        }
        last.push(record);
    }
    last.sort_by_key(|record| std::cmp::Reverse(record.started));
    Ok(last)
}
