//! What `timeline.json` objects say of the descent of each timeline. One that is damaged is as if it were not there: no
//! recovery needs it, so it keeps nobody from one. Only what deletes must not go on without it.

use std::io::Read;

use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::timeline::{InvalidTimeline, TimelineJson};
use crate::model::wal_name::TimelineId;
use crate::operation::failure;
use crate::operation::healed::healed;
use crate::store::Reader;

/// Larger than any `timeline.json`.
const MAX_TIMELINE_JSON: u64 = 1024 * 1024;

/// A `timeline.json` that says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub key: Key,
    pub reason: String,
}

impl Unreadable {
    pub fn as_error(&self) -> Error {
        damaged(&self.key, &self.reason)
    }
}

/// Nobody's recovery needs it, so nobody has to give up.
pub fn damaged(key: &Key, reason: &str) -> Error {
    Error::new(Code::Damaged, format!("{key} is damaged: {reason}"))
        .hint("move it out of the repository: a restore needs the .history file alone")
        .about(key)
}

/// One of a listing; of several repositories whichever has it sound. `None` where it was moved away meanwhile.
pub fn read(
    reader: &Reader,
    key: &Key,
    timeline: TimelineId,
) -> Result<Option<std::result::Result<TimelineJson, Unreadable>>> {
    loop {
        let Some(bytes) = healed(reader, || bytes(reader, key))? else { return Ok(None) };
        match TimelineJson::parse(timeline, &bytes) {
            Err(_) if reader.turn_from(key) => {}
            parsed => return Ok(Some(parsed.map_err(|error| unreadable(key, &error)))),
        }
    }
}

fn unreadable(key: &Key, error: &InvalidTimeline) -> Unreadable {
    Unreadable { key: key.clone(), reason: error.to_string() }
}

fn bytes(reader: &Reader, key: &Key) -> Result<Option<Vec<u8>>> {
    let Some(object) = reader.find(key)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = object.take(MAX_TIMELINE_JSON).read_to_end(&mut bytes);
    read.map_err(|e| failure::unreadable(key, &e))?;
    Ok(Some(bytes))
}
