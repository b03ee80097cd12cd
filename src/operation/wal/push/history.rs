//! `.history` and `.backup` files on their way into the archive.

use std::io::{Cursor, Read, Seek, SeekFrom};

use super::target::Pushed;
use super::{Archive, Prepared, compress};
use crate::model::envelope::WalFacts;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{Key, Kind};
use crate::model::sha256::Sha256Sum;
use crate::model::timeline::{Timeline, TimelineJson};
use crate::operation::failure::cannot;
use crate::operation::wal::descents;
use crate::store::Error as StoreError;

/// Larger than any history: a line has some 60 bytes, and a timeline that was switched a thousand times
/// has a thousand lines.
const MAX_SMALL_FILE: u64 = 1024 * 1024;

pub fn prepare(pushed: &Pushed, kind: Kind, level: i32) -> Result<Prepared> {
    let bytes = &read_small(pushed)?;
    let mut compressed = compress(bytes, level)?;
    let compressed_length =
        std::io::Seek::stream_position(&mut compressed).map_err(|e| cannot("compress", pushed.name, e))?;
    let facts = WalFacts {
        sha256: Sha256Sum::of(bytes),
        length: bytes.len() as u64,
        compressed: compressed_length,
        system_identifier: pushed.control.system_identifier,
        first_commit: None,
        last_commit: None,
        invalid_from: None,
    };
    Ok(Prepared { kind, facts, compressed })
}

fn read_small(pushed: &Pushed) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Read once for each repository, and for timeline.json.
    let rewound = (&pushed.file).seek(SeekFrom::Start(0));
    let read = rewound.and_then(|_| (&pushed.file).take(MAX_SMALL_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|e| cannot("read", pushed.path.display(), e))?;
    match bytes.len() as u64 {
        0 => Err(refused(pushed, "it is empty".to_owned())),
        length if length > MAX_SMALL_FILE => Err(refused(pushed, format!("it has more than {MAX_SMALL_FILE} bytes"))),
        _ => Ok(bytes),
    }
}

fn refused(pushed: &Pushed, reason: String) -> Error {
    Error::new(Code::Refused, format!("{} is not archived: {reason}", pushed.path.display()))
        .hint("compare it with the same file on another server of this cluster")
}

/// The plaintext `timeline.json` goes first: where the history is, its parent and switch point are known
/// without a key.
pub fn store_timeline_json(archive: &Archive, pushed: &Pushed) -> Result<()> {
    let timeline = Timeline::parse(pushed.name.timeline(), &read_small(pushed)?);
    let timeline = timeline.map_err(|error| refused(pushed, error.to_string()))?;
    let key = archive.opened.keys.timeline_json(timeline.id);
    let json = TimelineJson::from(&timeline).to_bytes();
    let creator = archive.opened.repository.creator();
    match creator.create(&key, &mut Cursor::new(&json)) {
        Ok(()) => Ok(()),
        Err(StoreError::AlreadyExists { .. }) => {
            let mut found = Vec::new();
            let object = archive.opened.repository.reader().get(&key)?;
            object.take(MAX_SMALL_FILE).read_to_end(&mut found).map_err(|e| cannot("read", &key, e))?;
            if found != json {
                let parsed = TimelineJson::parse(timeline.id, &found);
                return Err(parsed.map_or_else(|e| descents::damaged(&key, &e.to_string()), |_| promoted_twice(&key)));
            }
            Ok(creator.persist(&key)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn promoted_twice(key: &Key) -> Error {
    Error::new(Code::Conflict, format!("{key} is already archived with another parent or switch point"))
        .hint("two servers were promoted to the same timeline: give this one its own name in the configuration, then pgcairn init")
}
