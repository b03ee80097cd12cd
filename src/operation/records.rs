//! What tries of the backups have left in the repository: one small object each, named by when it began.

use std::io::Cursor;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::deletion::{MAX_CLOCK_SKEW, to_line};
use crate::model::error::Result;
use crate::model::key::ClusterKeys;
use crate::operation::catalog::read_small;
use crate::operation::repository::Opened;
use crate::store::Reader;

/// Largest record.
const MAX_RECORD: usize = 64 * 1024;

/// A record of what began at `start`.
pub fn create(opened: &Opened, directory: &str, start: Timestamp, record: &impl Serialize) -> Result<()> {
    let key = ClusterKeys::numbered(directory, start, rand::random());
    Ok(opened.repository.creator().create(&key, &mut Cursor::new(to_line(record)))?)
}

/// Newest first. One that cannot be read proves nothing.
pub fn newest<T, P: Fn(&[u8]) -> Option<T>>(
    reader: &Reader,
    directory: &str,
    parse: P,
) -> Result<impl Iterator<Item = Result<T>> + use<T, P>> {
    newest_since(reader, directory, Timestamp::UNIX_EPOCH, parse)
}

/// None that began before `since`, and none of the future: a clock that was wrong once would hide all that come after.
pub fn newest_since<T, P: Fn(&[u8]) -> Option<T>>(
    reader: &Reader,
    directory: &str,
    since: Timestamp,
    parse: P,
) -> Result<impl Iterator<Item = Result<T>> + use<T, P>> {
    let mut entries = reader.list(directory)?;
    let name = |at| ClusterKeys::numbered_from(directory, at);
    let (earliest, latest) = (name(since), name(Timestamp::now() + MAX_CLOCK_SKEW));
    let is_within =
        |key: &str| key >= earliest.as_str() && key.get(..latest.len()).is_some_and(|begin| begin <= &*latest);
    entries.retain(|entry| entry.key.as_str().ends_with(".json") && is_within(entry.key.as_str()));
    // Names begin with the time.
    entries.sort_by(|a, b| b.key.cmp(&a.key));
    let reader = reader.clone();
    let read = move |key| {
        Ok(read_small(&reader, &key)?.filter(|bytes| bytes.len() <= MAX_RECORD).and_then(|bytes| parse(&bytes)))
    };
    Ok(entries.into_iter().filter_map(move |entry| read(entry.key).transpose()))
}

/// The last of them. Names tell seconds, so those of the newest second are told apart by what they say themselves.
pub fn latest<T>(records: impl Iterator<Item = Result<T>>, at: impl Fn(&T) -> Timestamp) -> Result<Option<T>> {
    let mut last: Option<T> = None;
    for record in records {
        let record = record?;
        match &last {
            Some(known) if at(known).as_second() != at(&record).as_second() => break,
            Some(known) if at(known) >= at(&record) => {}
            _ => last = Some(record),
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_second_the_last_is_found_whatever_the_names_are() {
        let latest = |times: &[&str]| {
            let times: Vec<Timestamp> = times.iter().map(|time| time.parse().unwrap()).collect();
            super::latest(times.into_iter().map(Ok), |time| *time).unwrap().map(|time| time.to_string())
        };
        let (early, late) = ("2026-11-20T05:00:00.1Z", "2026-11-20T05:00:00.9Z");
        for order in [[early, late], [late, early]] {
            assert_eq!(latest(&order).as_deref(), Some(late));
        }
        assert_eq!(latest(&[early, "2026-11-20T04:59:59.95Z", late]).as_deref(), Some(early));
        assert_eq!(latest(&[]), None);
    }
}
