//! What tries of the backups have left in the repository: one small object each, named by when it began.

use std::io::Cursor;

use jiff::Timestamp;

use crate::model::deletion::MAX_CLOCK_SKEW;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::model::record::{Recorded, parse, to_line};
use crate::operation::Context;
use crate::operation::catalog::read_small;
use crate::operation::repository::Opened;
use crate::store::{Entry, Reader};

/// Largest record.
const MAX_RECORD: usize = 64 * 1024;

const AS_OWNER: &str = "the same again with sudo, which becomes the owner of the repository";

pub fn create<R: Recorded>(opened: &Opened, record: &R) -> Result<()> {
    let key = ClusterKeys::marked(&R::directory(&opened.keys), record.began(), rand::random(), R::MARK);
    Ok(opened.repository.creator().create(&key, &mut Cursor::new(to_line(record)))?)
}

/// It could not be written down. Who does not own a local repository lets its owner do it.
pub fn not_recorded(context: &Context, what: &str, error: Error) -> Error {
    let message = format!("{what} is not recorded, so status does not know of it: {}", error.message);
    let is_closed = error.code == Code::Permission && context.config.repository.url.local_path().is_some();
    let hint = if is_closed { Some(AS_OWNER.to_owned()) } else { error.hint.clone() };
    Error { message, hint, code: Code::Flagged, ..error }
}

/// Newest first. One that cannot be read proves nothing.
pub fn newest<R: Recorded>(reader: &Reader, keys: &ClusterKeys) -> Result<impl Iterator<Item = Result<R>> + use<R>> {
    newest_since(reader, keys, Timestamp::UNIX_EPOCH)
}

/// None that began before `since`, and none of the future: a clock that was wrong once would hide all that come after.
pub fn newest_since<R: Recorded>(
    reader: &Reader,
    keys: &ClusterKeys,
    since: Timestamp,
) -> Result<impl Iterator<Item = Result<R>> + use<R>> {
    let directory = R::directory(keys);
    let mut entries = reader.list(&directory)?;
    let name = |at| ClusterKeys::numbered_from(&directory, at);
    let (earliest, latest) = (name(since), name(Timestamp::now() + MAX_CLOCK_SKEW));
    let is_within =
        |key: &str| key >= earliest.as_str() && key.get(..latest.len()).is_some_and(|begin| begin <= &*latest);
    let is_of_kind = |entry: &Entry| ClusterKeys::is_marked(&directory, &entry.key, R::MARK);
    entries.retain(|entry| is_of_kind(entry) && is_within(entry.key.as_str()));
    // Names begin with the time.
    entries.sort_by(|a, b| b.key.cmp(&a.key));
    let reader = reader.clone();
    let read = move |key| {
        Ok(read_small(&reader, &key)?.filter(|bytes| bytes.len() <= MAX_RECORD).and_then(|bytes| parse(&bytes).ok()))
    };
    Ok(entries.into_iter().filter_map(move |entry| read(entry.key).transpose()))
}

/// The last of them. Names tell seconds, so those of the newest second are told apart by what they say themselves.
pub fn latest<R: Recorded>(records: impl Iterator<Item = Result<R>>) -> Result<Option<R>> {
    let mut last: Option<R> = None;
    for record in records {
        let record = record?;
        match &last {
            Some(known) if known.began().as_second() != record.began().as_second() => break,
            Some(known) if known.began() >= record.began() => {}
            _ => last = Some(record),
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::FORMAT;
    use crate::model::recovery_sheet::Record;
    use crate::model::sha256::Sha256Sum;

    fn sheet() -> Record {
        Record { format: FORMAT, made: Timestamp::UNIX_EPOCH, says: Sha256Sum([0; 32]), pgcairn: String::new() }
    }

    #[test]
    fn of_one_second_the_last_is_found_whatever_the_names_are() {
        let latest = |times: &[&str]| {
            let made = |time: &&str| Record { made: time.parse().unwrap(), ..sheet() };
            super::latest(times.iter().map(made).map(Ok)).unwrap().map(|sheet| sheet.made.to_string())
        };
        let (early, late) = ("2026-11-20T05:00:00.1Z", "2026-11-20T05:00:00.9Z");
        for order in [[early, late], [late, early]] {
            assert_eq!(latest(&order).as_deref(), Some(late));
        }
        assert_eq!(latest(&[early, "2026-11-20T04:59:59.95Z", late]).as_deref(), Some(early));
        assert_eq!(latest(&[]), None);
    }
}
