//! The WAL of one cluster as it lies in the repository.

use std::collections::BTreeMap;
use std::io::Read;

use crate::codec::{MAX_HEADER, peek};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{Key, Kind};
use crate::model::plan::coverage::Archive;
use crate::model::timeline::TimelineJson;
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::failure;
use crate::operation::repository::Opened;

pub use crate::model::timeline::TimelineJson as TimelineFacts;

/// Larger than any `timeline.json`.
const MAX_TIMELINE_JSON: u64 = 1024 * 1024;

/// One listing, and one small read for each timeline.
pub fn read(opened: &Opened) -> Result<(Archive, BTreeMap<TimelineId, TimelineFacts>)> {
    let reader = opened.repository.reader();
    let (mut names, mut facts) = (Vec::new(), BTreeMap::new());
    for entry in reader.list(&opened.keys.wal())? {
        if let Some(name) = opened.keys.wal_name_of(&entry.key) {
            names.push((name, entry.size));
        } else if let Some(timeline) = opened.keys.timeline_of(&entry.key) {
            facts.insert(timeline, timeline_json(opened, &entry.key, timeline)?);
        }
    }
    let segment_size = segment_size(opened, &names)?;
    Ok((Archive::new(segment_size, names), facts))
}

fn timeline_json(opened: &Opened, key: &Key, timeline: TimelineId) -> Result<TimelineJson> {
    let mut bytes = Vec::new();
    let object = opened.repository.reader().get(key)?;
    let read = object.take(MAX_TIMELINE_JSON).read_to_end(&mut bytes);
    read.map_err(|e| Error::new(Code::Unreachable, format!("{key} cannot be read: {e}")))?;
    TimelineJson::parse(timeline, &bytes).map_err(|e| Error::new(Code::Damaged, format!("{key} is damaged: {e}")))
}

/// Every segment has the cluster's segment size, which the envelope of any one tells without a key.
fn segment_size(opened: &Opened, names: &[(WalName, u64)]) -> Result<u64> {
    let Some((name, _)) = names.iter().find(|(name, _)| matches!(name, WalName::Segment(_))) else {
        return Ok(DEFAULT_SEGMENT_SIZE);
    };
    let key = opened.keys.wal_file(name);
    let start = opened.repository.reader().get_range(&key, 0..MAX_HEADER as u64)?;
    let peeked = peek(&start, opened.repository.encryption()).map_err(|e| failure::object(&key, e))?;
    let length = peeked.envelope.wal.filter(|_| peeked.envelope.kind == Kind::Wal).map(|wal| wal.length);
    let length = length.filter(|length| crate::model::wal::page::is_segment_size(*length));
    length.ok_or_else(|| Error::new(Code::Damaged, format!("{key} is damaged: its envelope names no segment size")))
}

/// Without a segment it does not matter.
const DEFAULT_SEGMENT_SIZE: u64 = 16 * 1024 * 1024;
