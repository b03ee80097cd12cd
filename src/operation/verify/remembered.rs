//! What was found sound, when, and how closely: a small file on this host for each repository, by which it is not read
//! again so soon, and a run that was cut off goes on. Names stand in it as digests under a seed of its own.
//!
//! Nothing depends on it: where it is damaged or gone, everything is read.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::sha256::Sha256Sum;
use crate::model::verification::Proof;
use crate::operation::state_directory;
use crate::sink::{Durability, PRIVATE, replace};

const VERSION: u32 = 1;

/// Most objects that are remembered; others are read each time. 32 MiB of file and twice that of memory hold them.
const MAX_ENTRIES: usize = 1 << 20;

/// Bytes of one: name, stamp, and the two times.
const ENTRY: usize = 32;
const DIGEST: usize = 32;
const MAX_HEADER: usize = 1024;
const MAX_FILE: u64 = (MAX_HEADER + MAX_ENTRIES * ENTRY + DIGEST) as u64;

/// What a run that is killed reads again.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// No object was read in 1970.
const NEVER: i64 = 0;
/// What was read as closely was another object, or has been found damaged since.
const ANOTHER: i64 = -1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: u32,
    repository: String,
    seed: u64,
    count: usize,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub size: u64,
    pub modified: Timestamp,
}

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Nothing,
    /// It was another one then.
    Changed,
    Sound(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    stamp: u64,
    /// Microseconds since 1970, by proof.
    object: i64,
    content: i64,
    /// Asked for in this run.
    met: bool,
}

impl Entry {
    /// What relied on the content of what was there must be read again.
    fn change(&mut self) {
        if self.content != NEVER {
            self.content = ANOTHER;
        }
    }
}

pub struct Remembered {
    /// Nothing is kept without one.
    path: Option<PathBuf>,
    repository: String,
    state: Mutex<State>,
}

struct State {
    seed: u64,
    entries: HashMap<u64, Entry>,
    saved: Instant,
    changed: bool,
}

impl Remembered {
    /// For hosts that keep nothing.
    pub fn nothing(repository: &str) -> Remembered {
        Remembered { path: None, repository: repository.to_owned(), state: Mutex::new(State::new()) }
    }

    /// Whatever is wrong with the file, everything is read then.
    pub fn read(config: &Config, repository: &str) -> Remembered {
        let path = state_directory::file(config, &format!("verified-{repository}"));
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        let state = read.ok().and_then(|_| State::parse(&bytes, repository)).unwrap_or_else(State::new);
        Remembered { path: Some(path), repository: repository.to_owned(), state: Mutex::new(state) }
    }

    /// Whether, and when, this very object was found sound as closely.
    pub fn known(&self, key: &Key, seen: Seen, proof: Proof) -> Known {
        let mut state = self.lock();
        let (name, stamp) = (state.name(key), state.stamp(seen));
        match state.entries.get_mut(&name) {
            None => Known::Nothing,
            Some(entry) => {
                entry.met = true;
                let when = if proof == Proof::Content { entry.content } else { entry.object };
                match Timestamp::from_microsecond(when) {
                    _ if entry.stamp != stamp || when == ANOTHER => Known::Changed,
                    Ok(sound) if when != NEVER => Known::Sound(sound),
                    _ => Known::Nothing,
                }
            }
        }
    }

    pub fn sound(&self, key: &Key, seen: Seen, proof: Proof, now: Timestamp) {
        let mut state = self.lock();
        let (name, stamp, now) = (state.name(key), state.stamp(seen), now.as_microsecond());
        if state.entries.len() >= MAX_ENTRIES && !state.entries.contains_key(&name) {
            return;
        }
        let new = Entry { stamp, object: now, content: NEVER, met: true };
        let entry = state.entries.entry(name).and_modify(|known| {
            if known.stamp != stamp {
                known.change();
            }
            *known = Entry { content: known.content, ..new };
        });
        let entry = entry.or_insert(new);
        if proof == Proof::Content {
            entry.content = now;
        }
        state.changed = true;
    }

    /// It is still there, though nobody asks what is known of it.
    pub fn keep(&self, key: &Key) {
        let mut state = self.lock();
        let name = state.name(key);
        state.entries.get_mut(&name).into_iter().for_each(|entry| entry.met = true);
    }

    /// It is damaged. Whatever takes its place is another object.
    pub fn forget(&self, key: &Key) {
        let mut state = self.lock();
        let name = state.name(key);
        if let Some(entry) = state.entries.get_mut(&name) {
            (entry.object, entry.met) = (ANOTHER, true);
            entry.change();
            state.changed = true;
        }
    }

    /// A name that orders objects in the same way in every run.
    pub fn order(&self, key: &Key) -> u64 {
        self.lock().name(key)
    }

    /// Called often; writes now and then. What cannot be written is said at the end.
    pub fn save_now_and_then(&self) {
        let due = {
            let mut state = self.lock();
            let due = state.changed && state.saved.elapsed() >= SAVE_EVERY;
            if due {
                state.saved = Instant::now();
            }
            due
        };
        if due {
            let _ = self.save();
        }
    }

    /// `everything` was met: what was not has gone from the repository.
    pub fn finish(&self, everything: bool) -> Result<()> {
        if everything {
            let mut state = self.lock();
            let before = state.entries.len();
            state.entries.retain(|_, entry| entry.met);
            state.changed |= state.entries.len() != before;
        }
        self.save()
    }

    fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let bytes = {
            let mut state = self.lock();
            if !state.changed {
                return Ok(());
            }
            state.changed = false;
            state.format(&self.repository)
        };
        let made = path.parent().map_or(Ok(()), state_directory::make);
        let written = made.and_then(|()| replace(path, &bytes, PRIVATE, Durability::Later).map_err(|e| e.source));
        written.map_err(|error| unwritable(path.parent().unwrap_or(path), &error))
    }

    /// Whether anything will be remembered, for whoever relies on it.
    pub fn check(&self) -> Result<()> {
        if self.path.is_none() {
            let message =
                "a sample rotates by what is remembered of earlier ones, and without a configuration nothing is";
            return Err(Error::new(Code::Usage, message).hint("add -c FILE, or leave out --sample"));
        }
        self.lock().changed = true;
        self.save().map_err(|error| Error { message: format!("no sample is taken: {}", error.message), ..error })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn unwritable(directory: &Path, error: &io::Error) -> Error {
    let message = format!("what was read is not remembered in {}: {error}", directory.display());
    Error::new(Code::Io, message).hint(state_directory::hint(directory))
}

impl State {
    fn new() -> State {
        State { seed: rand::random(), entries: HashMap::new(), saved: Instant::now(), changed: false }
    }

    fn name(&self, key: &Key) -> u64 {
        xxh3_64_with_seed(key.as_str().as_bytes(), self.seed)
    }

    fn stamp(&self, seen: Seen) -> u64 {
        let mut bytes = seen.size.to_le_bytes().to_vec();
        bytes.extend(seen.modified.as_nanosecond().to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }

    fn format(&self, repository: &str) -> Vec<u8> {
        let header =
            Header { version: VERSION, repository: repository.to_owned(), seed: self.seed, count: self.entries.len() };
        // Numbers and a name alone: serialising them cannot fail.
        let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
        bytes.push(b'\n');
        for (name, entry) in &self.entries {
            bytes.extend(name.to_le_bytes());
            bytes.extend(entry.stamp.to_le_bytes());
            bytes.extend(entry.object.to_le_bytes());
            bytes.extend(entry.content.to_le_bytes());
        }
        let digest = Sha256Sum::of(&bytes);
        bytes.extend(digest.0);
        bytes
    }

    /// `None` for anything that this program has not written so.
    fn parse(bytes: &[u8], repository: &str) -> Option<State> {
        let (content, digest) = bytes.split_last_chunk::<DIGEST>()?;
        let end = content.iter().take(MAX_HEADER).position(|byte| *byte == b'\n')?;
        let header: Header = serde_json::from_slice(&content[..end]).ok()?;
        let (entries, rest) = content[end + 1..].as_chunks::<ENTRY>();
        let is_ours = header.version == VERSION && header.repository == repository && header.count == entries.len();
        if !is_ours || !rest.is_empty() || entries.len() > MAX_ENTRIES || Sha256Sum::of(content).0 != *digest {
            return None;
        }
        let entry = |bytes: &[u8; ENTRY]| {
            let field = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
            let (object, content) = (field(16).cast_signed(), field(24).cast_signed());
            (field(0), Entry { stamp: field(8), object, content, met: false })
        };
        Some(State { seed: header.seed, entries: entries.iter().map(entry).collect(), ..State::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    fn seen(size: u64) -> Seen {
        Seen { size, modified: Timestamp::from_second(1_700_000_000).unwrap() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn place(directory: &std::path::Path) -> Remembered {
        let path = Some(directory.join("new/main.verified-r"));
        let bytes = std::fs::read(path.as_ref().unwrap()).unwrap_or_default();
        let state = State::parse(&bytes, "r").unwrap_or_else(State::new);
        Remembered { path, repository: "r".to_owned(), state: Mutex::new(state) }
    }

    #[test]
    fn the_same_object_is_known_as_closely_as_it_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let first = place(directory.path());
        first.sound(&key("a/1"), seen(5), Proof::Object, at(10));
        first.sound(&key("a/2"), seen(5), Proof::Content, at(20));
        first.sound(&key("a/2"), seen(5), Proof::Object, at(30));
        first.sound(&key("a/3"), seen(5), Proof::Content, at(20));
        first.sound(&key("a/3"), seen(6), Proof::Object, at(30));
        first.finish(false).unwrap();
        let later = place(directory.path());
        let known = |name: &str, size, proof| later.known(&key(name), seen(size), proof);
        assert_eq!(known("a/1", 5, Proof::Object), Known::Sound(at(10)));
        assert_eq!(known("a/1", 5, Proof::Content), Known::Nothing);
        assert_eq!(known("a/1", 6, Proof::Object), Known::Changed);
        assert_eq!(known("a/2", 5, Proof::Content), Known::Sound(at(20)));
        assert_eq!(known("a/2", 5, Proof::Object), Known::Sound(at(30)));
        assert_eq!(known("a/3", 6, Proof::Content), Known::Changed);
        assert_eq!(known("a/3", 6, Proof::Object), Known::Sound(at(30)));
        assert_eq!(known("a/4", 6, Proof::Object), Known::Nothing);
        later.forget(&key("a/1"));
        assert_eq!((known("a/1", 5, Proof::Object), known("a/1", 5, Proof::Content)), (Known::Changed, Known::Nothing));
        later.forget(&key("a/2"));
        later.sound(&key("a/2"), seen(5), Proof::Object, at(40));
        assert_eq!(known("a/2", 5, Proof::Content), Known::Changed);
        later.sound(&key("a/2"), seen(5), Proof::Content, at(50));
        assert_eq!(known("a/2", 5, Proof::Content), Known::Sound(at(50)));
    }

    #[test]
    fn what_has_gone_is_forgotten_when_everything_was_met() {
        let directory = tempfile::tempdir().unwrap();
        let first = place(directory.path());
        first.sound(&key("a/1"), seen(5), Proof::Object, at(10));
        first.sound(&key("a/2"), seen(5), Proof::Object, at(10));
        first.finish(false).unwrap();
        let second = place(directory.path());
        second.known(&key("a/2"), seen(5), Proof::Object);
        second.finish(true).unwrap();
        let third = place(directory.path());
        assert_eq!(third.known(&key("a/1"), seen(5), Proof::Object), Known::Nothing);
        assert_eq!(third.known(&key("a/2"), seen(5), Proof::Object), Known::Sound(at(10)));
    }

    #[test]
    fn whatever_is_wrong_with_the_file_nothing_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let first = place(directory.path());
        first.sound(&key("clusters/main/secret"), seen(5), Proof::Object, at(10));
        first.finish(true).unwrap();
        let path = first.path.clone().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|at| at == b"secret"));
        assert!(State::parse(&bytes, "r").is_some() && State::parse(&bytes, "other").is_none());
        for at in 0..bytes.len() {
            let mut harmed = bytes.clone();
            harmed[at] ^= 1;
            assert!(State::parse(&harmed, "r").is_none(), "{at}");
            assert!(State::parse(&bytes[..at], "r").is_none(), "{at}");
        }
        std::fs::write(&path, "{").unwrap();
        assert_eq!(place(directory.path()).known(&key("a/1"), seen(5), Proof::Object), Known::Nothing);
    }
}
