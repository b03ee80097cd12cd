//! One object of a backup or dump: whether it is there, is what the list says, and says of itself what it is.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::tally::Tally;
use crate::codec::{MAX_HEADER, peek};
use crate::model::catalog::ObjectLine;
use crate::model::error::Result;
use crate::model::key::{BackupId, Encryption};
use crate::model::sha256::Sha256Sum;
use crate::operation::failure;
use crate::report::verify::Damage;
use crate::store::Reader;

const CHUNK: usize = 256 * 1024;

/// Whether it is sound.
pub fn verify(
    reader: &Reader,
    encryption: Encryption,
    line: &ObjectLine,
    of: &BackupId,
    tally: &Tally,
) -> Result<bool> {
    match flaw(reader, encryption, line)? {
        None => {
            tally.sound(line.size);
            Ok(true)
        }
        Some(reason) => {
            tally.damage(Damage { object: line.key.to_string(), reason, hurts: vec![of.clone()] });
            Ok(false)
        }
    }
}

/// What is wrong with it as it is stored.
pub fn flaw(reader: &Reader, encryption: Encryption, line: &ObjectLine) -> Result<Option<String>> {
    let Some(stored) = reader.find(&line.key)? else { return Ok(Some("it does not exist".to_owned())) };
    let (mut stored, mut chunk) = (stored.take(line.size.saturating_add(1)), vec![0; CHUNK]);
    let (mut sha256, mut size, mut start) = (Sha256::new(), 0, Vec::new());
    while let read @ 1.. = stored.read(&mut chunk).map_err(|e| failure::unreadable(&line.key, &e))? {
        let bytes = &chunk[..read];
        start.extend_from_slice(&bytes[..read.min(MAX_HEADER.saturating_sub(start.len()))]);
        sha256.update(bytes);
        size += read as u64;
    }
    let found = Sha256Sum(sha256.finalize().into());
    if size != line.size {
        let more = if size > line.size { "more than " } else { "" };
        return Ok(Some(format!("it has {more}{} bytes and must have {}", size.min(line.size), line.size)));
    }
    if found != line.sha256 {
        return Ok(Some(format!("it has SHA-256 {found} and must have {}", line.sha256)));
    }
    Ok(match peek(&start, encryption) {
        Ok(peeked) if peeked.envelope.name == line.key => None,
        Ok(peeked) => Some(format!("it says that it is {}", peeked.envelope.name)),
        Err(error) => Some(error.to_string()),
    })
}
