//! Damage to stored objects. Every change makes a new file in the old one's place: repositories are copied by
//! hard links, and the other copies must stay whole.

use std::fs;
use std::path::Path;

use super::Outcome;
use super::account::account;

/// Replaces a file's content by what `change` makes of it.
pub fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let mut bytes = fs::read(path)?;
    change(&mut bytes);
    replace(path, &bytes)
}

pub fn replace(path: &Path, bytes: &[u8]) -> Outcome {
    fs::remove_file(path)?;
    Ok(account().write(path, bytes, 0o600)?)
}

pub fn flip_bit(path: &Path, offset: usize) -> Outcome {
    edit(path, |bytes| bytes[offset] ^= 1)
}

pub fn truncate(path: &Path, length: usize) -> Outcome {
    edit(path, |bytes| bytes.truncate(length))
}

/// Each of two objects under the other's name.
pub fn swap(one: &Path, other: &Path) -> Outcome {
    let (a, b) = (fs::read(one)?, fs::read(other)?);
    replace(one, &b)?;
    replace(other, &a)
}
