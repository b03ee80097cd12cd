//! Whether all that a backup needs is in the repository, before anything is written: the list of objects
//! is the one that the commit marker names, and every object in it is there with its size. Their digests are
//! compared when they are read. Of several repositories one that cannot be listed is left out where the others have all.

use super::Source;
use super::commit_marker::{agree, contradiction};
use crate::model::catalog::{MAX_OBJECTS, Method, ObjectLine, ObjectList, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::operation::failure::damaged;
use crate::operation::objects_list::{self, missing};
use crate::report::Listener;
use crate::store::{Entry, Reader};

pub fn check(source: &Source<'_>, backup: &Summary, listener: &dyn Listener) -> Result<ObjectList> {
    let (reader, keys) = (source.opened.repository.reader(), &source.opened.keys);
    let mut census = Census::new(&reader, keys, backup);
    objects_list::read(&reader, &keys.objects(&backup.id), &backup.objects, |line| census.add(line))?;
    census.left_out.take().into_iter().for_each(|error| listener.warning(not_needed(error)));
    census.finish()
}

fn not_needed(left_out: Error) -> Error {
    let message = format!("{}; all that the backup needs is in another", left_out.message);
    Error { code: Code::Flagged, message, ..left_out }
}

/// Holds the list against the repository, one directory of it at a time, and then against the marker.
struct Census<'a> {
    reader: &'a Reader,
    keys: &'a ClusterKeys,
    backup: &'a Summary,
    /// The directory that the lines have come to, and what lies there.
    directory: String,
    there: Vec<Entry>,
    /// One of several repositories that could not be listed.
    left_out: Option<Error>,
    stored_bytes: u64,
    packs: u64,
    /// Manifest and digest parts.
    parts: u64,
    lines: Vec<ObjectLine>,
}

impl<'a> Census<'a> {
    fn new(reader: &'a Reader, keys: &'a ClusterKeys, backup: &'a Summary) -> Census<'a> {
        let (directory, there, lines) = (String::new(), Vec::new(), Vec::new());
        let stored_bytes = backup.objects.size;
        Census { reader, keys, backup, directory, there, left_out: None, stored_bytes, packs: 0, parts: 0, lines }
    }

    /// Lines ascend by key, so every directory is listed once.
    fn add(&mut self, line: ObjectLine) -> Result<()> {
        let directory = line.key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        if directory != self.directory {
            let (there, left_out) = self.reader.list_in_part(&format!("{directory}/"))?;
            self.there = there;
            self.left_out = self.left_out.take().or(left_out.map(Error::from));
            self.directory = directory.to_owned();
        }
        let found = self.there.binary_search_by(|entry| entry.key.cmp(&line.key));
        match found.ok().and_then(|at| self.there.get(at)).map(|entry| entry.size) {
            Some(size) if size == line.size => {}
            Some(size) => {
                return Err(damaged(&line.key, format!("it has {size} bytes, the backup needs {}", line.size)));
            }
            None => return Err(self.left_out.take().unwrap_or_else(|| missing(&line.key))),
        }
        self.stored_bytes = self.stored_bytes.saturating_add(line.size);
        match self.directory.split('/').nth_back(1) {
            Some("packs") => self.packs += 1,
            _ => self.parts += 1,
        }
        self.lines.push(line);
        match self.lines.len() <= MAX_OBJECTS {
            true => Ok(()),
            false => {
                Err(damaged(&self.keys.objects(&self.backup.id), format!("it names more than {MAX_OBJECTS} objects")))
            }
        }
    }

    fn finish(self) -> Result<ObjectList> {
        let (backup, totals) = (self.backup, &self.backup.totals);
        let list = ObjectList::new(self.lines);
        let part = |number| [self.keys.manifest(&backup.id, number), self.keys.digests(&backup.id, number)];
        let unlisted = (1..=backup.parts).flat_map(part).find(|key| list.get(key).is_none());
        if let Some(key) = unlisted.or_else(|| (backup.parts == 0).then(|| self.keys.manifest(&backup.id, 1))) {
            return Err(contradiction(
                self.keys,
                backup,
                format!("it tells of {} parts, and the list of objects has no {key}", backup.parts),
            ));
        }
        let packs = if backup.method == Method::Full { self.packs } else { totals.packs.into() };
        let facts = [
            ("manifest and digest parts", 2 * u64::from(backup.parts), self.parts),
            ("packs", totals.packs.into(), packs),
            ("stored bytes", totals.stored_bytes, self.stored_bytes),
        ];
        agree(self.keys, backup, "the list of objects", facts)?;
        Ok(list)
    }
}
