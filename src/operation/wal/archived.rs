//! The WAL of one cluster as it lies in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::codec::{MAX_HEADER, peek};
use crate::flow::workers;
use crate::model::catalog::{Summary, parse_commit_marker};
use crate::model::envelope::WalFacts;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::model::lsn::Lsn;
use crate::model::plan::retention::{Archive, WalObject};
use crate::model::timeline::TimelineJson;
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::catalog::read_small;
use crate::operation::failure;
use crate::operation::repository::Opened;
use crate::operation::wal::descents::{self, Unreadable};
use crate::report::wal::Flaw;
use crate::store::{Entry, Reader};

/// Every WAL file, and what is known of each timeline.
pub struct Listed {
    pub objects: Vec<WalObject>,
    /// What `timeline.json` objects say.
    pub timelines: BTreeMap<TimelineId, TimelineJson>,
    /// Those that say nothing are as if they were not there: more WAL may be needed then, and not less.
    pub unreadable: Vec<Unreadable>,
}

impl Listed {
    /// One listing, and one small read for each timeline.
    pub fn read(reader: &Reader, keys: &ClusterKeys) -> Result<Listed> {
        Listed::among(&reader.list(&keys.wal())?, reader, keys)
    }

    /// The same in a listing of more.
    pub fn among(entries: &[Entry], reader: &Reader, keys: &ClusterKeys) -> Result<Listed> {
        let mut listed = Listed { objects: Vec::new(), timelines: BTreeMap::new(), unreadable: Vec::new() };
        for entry in entries {
            if let Some(name) = keys.wal_name_of(&entry.key) {
                listed.objects.push(WalObject { name, size: entry.size, modified: entry.modified });
            } else if let Some(timeline) = keys.timeline_of(&entry.key) {
                match descents::read(reader, &entry.key, timeline)? {
                    Some(Ok(json)) => drop(listed.timelines.insert(timeline, json)),
                    Some(Err(damaged)) => listed.unreadable.push(damaged),
                    None => {}
                }
            }
        }
        Ok(listed)
    }

    /// All of it, or nothing: for whoever deletes.
    pub fn whole(self) -> Result<Listed> {
        match self.unreadable.first() {
            None => Ok(self),
            Some(damaged) => Err(damaged.as_error()),
        }
    }

    /// Names with stored sizes.
    pub fn sizes(&self) -> Vec<(WalName, u64)> {
        self.objects.iter().map(|object| (object.name, object.size)).collect()
    }

    /// What of it `backups` need.
    pub fn archive<'b>(&self, backups: impl IntoIterator<Item = &'b Summary>) -> Archive {
        Archive::new(self.objects.iter().copied(), &self.timelines, backups)
    }
}

/// The names alone of everything below a directory of the archive.
pub fn names(reader: &Reader, keys: &ClusterKeys, directory: &str) -> Result<BTreeSet<WalName>> {
    Ok(reader.list(directory)?.iter().filter_map(|entry| keys.wal_name_of(&entry.key)).collect())
}

/// Every segment has the cluster's segment size, which its backups tell; without any, the envelope of a segment does. A
/// damaged one must not keep anybody from the others.
pub fn segment_size(opened: &Opened, names: &[(WalName, u64)]) -> Result<u64> {
    if let Some(size) = segment_size_of_backups(opened)? {
        return Ok(size);
    }
    let mut damage = None;
    for (name, _) in names.iter().filter(|(name, _)| matches!(name, WalName::Segment(_))) {
        match envelope(opened, name) {
            Ok((facts, _)) => return Ok(facts.length),
            Err(error) if error.code == Code::Damaged => damage = damage.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    damage.map_or(Ok(DEFAULT_SEGMENT_SIZE), Err)
}

/// By the newest that can be read.
fn segment_size_of_backups(opened: &Opened) -> Result<Option<u64>> {
    let reader = opened.repository.reader();
    for entry in reader.list(&opened.keys.backups())?.iter().rev() {
        let Some(marker) = read_small(&reader, &entry.key)? else { continue };
        if let Ok(marker) = parse_commit_marker(&marker, &entry.key) {
            return Ok(Some(marker.summary.postgresql.wal_segment_size));
        }
    }
    Ok(None)
}

/// What a segment's envelope says, and the stored size that follows from it.
pub fn envelope(opened: &Opened, name: &WalName) -> Result<(WalFacts, u64)> {
    let (facts, size) = facts(opened, name)?;
    match crate::model::wal::page::is_segment_size(facts.length) {
        true => Ok((facts, size)),
        false => Err(no_segment(opened, name, "its envelope names no segment size")),
    }
}

/// The same of any WAL file.
pub fn facts(opened: &Opened, name: &WalName) -> Result<(WalFacts, u64)> {
    let key = opened.keys.wal_file(name);
    let start = opened.repository.reader().get_range(&key, 0..MAX_HEADER as u64)?;
    let peeked =
        peek(&start, opened.repository.encryption()).map_err(|e| failure::wal_object(&key, e, failure::MOVE_AWAY))?;
    if peeked.envelope.name != key {
        return Err(no_segment(opened, name, &format!("it is {}", peeked.envelope.name)));
    }
    let facts =
        peeked.envelope.wal.clone().ok_or_else(|| no_segment(opened, name, "its envelope names no segment size"))?;
    let size = peeked.stored_size(facts.compressed);
    Ok((facts, size))
}

fn no_segment(opened: &Opened, name: &WalName, reason: &str) -> Error {
    let key = opened.keys.wal_file(name);
    Error::new(Code::Damaged, format!("{key} is damaged: {reason}")).hint(failure::MOVE_AWAY)
}

/// Small reads that are on their way together: a store far away answers each after a while.
const READS_AT_ONCE: usize = 8;

/// Those that no recovery passes, as far as that is seen without a key: one small read for each.
pub fn flaws(opened: &Opened, names: &[(WalName, u64)]) -> Result<Vec<Flaw>> {
    let flaws = Mutex::new(BTreeMap::new());
    workers::each(READS_AT_ONCE, names.iter(), |(name, found)| {
        if let Some(flaw) = flaw(opened, name, *found)? {
            flaws.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(*name, flaw);
        }
        Ok::<(), Error>(())
    })?;
    Ok(flaws.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).into_values().collect())
}

fn flaw(opened: &Opened, name: &WalName, found: u64) -> Result<Option<Flaw>> {
    let read = if matches!(name, WalName::Segment(_)) { envelope(opened, name) } else { facts(opened, name) };
    let (broken_from, reason) = match read {
        Ok((_, due)) if due != found => (None, format!("it has {found} bytes and must have {due}")),
        Ok((WalFacts { invalid_from: Some(at), .. }, _)) if matches!(name, WalName::Segment(_)) => {
            (Some(at), broken_from(at))
        }
        Ok(_) => return Ok(None),
        Err(error) if error.code == Code::Damaged => (None, error.message),
        Err(error) => return Err(error),
    };
    Ok(Some(Flaw { segment: name.to_string(), broken_from, reason }))
}

pub fn broken_from(at: Lsn) -> String {
    format!("it was archived with its records broken from {at} on")
}

/// Without a segment it does not matter.
const DEFAULT_SEGMENT_SIZE: u64 = 16 * 1024 * 1024;
