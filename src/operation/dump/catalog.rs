//! The dumps of a repository: one listing, one small read for each.

use std::cell::RefCell;
use std::io::Read;

use crate::codec::{FrameReader, Opener};
use crate::model::catalog::{CatalogError, MAX_OBJECTS, ObjectList};
use crate::model::dump::{Contents, MAX_CONTENTS, Marker, Summary, parse_marker};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::selector::Selector;
use crate::operation::catalog::{read_small, unresolved};
use crate::operation::chosen::{self, Found};
use crate::operation::failure::{OTHER_BACKUP, damaged, object};
use crate::operation::repository::Opened;
use crate::operation::{Context, objects_list};
use crate::report::Listener;
use crate::store::{Reader, Repository};

pub const OTHER_DUMP: &str = "use another dump: pgcairn dump list";

/// Oldest first.
pub struct Dumps {
    pub dumps: Vec<Marker>,
    pub unreadable: Vec<(BackupId, Error)>,
}

impl Dumps {
    /// Readable or not.
    pub fn has(&self, id: &BackupId) -> bool {
        self.has_sound(id) || self.unreadable.iter().any(|(other, _)| other == id)
    }

    pub fn has_sound(&self, id: &BackupId) -> bool {
        self.dumps.iter().any(|marker| marker.summary.id == *id)
    }

    pub fn read(reader: &Reader, keys: &ClusterKeys) -> Result<Dumps> {
        let mut dumps = Dumps { dumps: Vec::new(), unreadable: Vec::new() };
        for (id, marker) in markers(reader, keys)? {
            match marker {
                Ok(marker) => dumps.dumps.push(marker),
                Err(error) => dumps.unreadable.push((id, error)),
            }
        }
        dumps.dumps.sort_by_key(|marker| (marker.summary.finished, marker.summary.id.clone()));
        Ok(dumps)
    }
}

type Named = (BackupId, Result<Marker>);

fn markers(reader: &Reader, keys: &ClusterKeys) -> Result<Vec<Named>> {
    let mut markers = Vec::new();
    for entry in reader.list(&keys.dumps())? {
        let Some(id) = keys.dump_id_of(&entry.key) else { continue };
        // A listing that races with a deletion is no damage.
        let Some(marker) = marker(reader, &entry.key)? else { continue };
        markers.push((id, marker));
    }
    Ok(markers)
}

/// Of another repository, where the first is damaged.
fn marker(reader: &Reader, key: &Key) -> Result<Option<Result<Marker>>> {
    loop {
        let Some(bytes) = read_small(reader, key)? else { return Ok(None) };
        match parse_marker(&bytes, key) {
            Err(_) if reader.turn_from(key) => {}
            parsed => return Ok(Some(parsed.map_err(|error| unreadable(key, &error)))),
        }
    }
}

fn unreadable(key: &Key, error: &CatalogError) -> Error {
    let message = format!("{key}: {error}");
    match error {
        CatalogError::TooNew { .. } => Error::new(Code::RepositoryTooNew, message).hint("install a newer pgcairn"),
        _ => Error::new(Code::Damaged, message).hint(OTHER_DUMP),
    }
}

/// Where it says to take another backup, another dump is meant.
pub fn of_dump(error: Error) -> Error {
    let hint = error.hint.as_ref().map(|hint| hint.replace(OTHER_BACKUP, OTHER_DUMP));
    Error { hint, ..error }
}

/// By what a person calls it, among all generations of the cluster.
pub fn find(
    context: &Context,
    repository: &Repository,
    dump: &Selector,
    listener: &dyn Listener,
) -> Result<Found<Marker>> {
    let unreadable = RefCell::new(None);
    let look = |opened: &Opened| {
        let markers = markers(&opened.repository.reader(), &opened.keys)?.into_iter();
        let is_named = matches!(dump, Selector::Prefix(_));
        // Nobody knows how new an unreadable one is.
        let known = markers.filter(|(_, marker)| match marker {
            Err(error) if !is_named => {
                listener.warning(error.clone());
                unreadable.borrow_mut().get_or_insert(error.clone());
                false
            }
            _ => true,
        });
        let ordered = |(id, marker): Named| (marker.as_ref().ok().map(|marker| marker.summary.finished), id, marker);
        Ok(known.map(ordered).collect())
    };
    let missing = |error: &crate::model::selector::SelectorError, ids: &[&BackupId]| {
        let there = ids.len();
        let error = unresolved(error);
        let message =
            format!("there is no dump {dump}: {}", if there == 0 { "there is none" } else { "others are there" });
        Error { message, ..error }.hint("what there is: pgcairn dump list")
    };
    let found = chosen::find((repository, context.config.name.as_ref()), dump, look, missing);
    // What is broken is not missing.
    let found = found.map_err(|error| match unreadable.take() {
        Some(broken) if error.code == Code::NotFound => broken,
        _ => error,
    })?;
    Ok(Found { id: found.id, opened: found.opened, what: found.what? })
}

/// What each of its objects must be, as its marker vouches for.
pub fn objects(reader: &Reader, keys: &ClusterKeys, dump: &Summary) -> Result<ObjectList> {
    let key = keys.dump_objects(&dump.id);
    loop {
        let mut lines = Vec::new();
        let read = objects_list::read(reader, &key, &dump.objects, |line| {
            lines.push(line);
            if lines.len() <= MAX_OBJECTS { Ok(()) } else { Err(damaged(&key, "it names too many objects".to_owned())) }
        });
        match read {
            Ok(()) => return Ok(ObjectList::new(lines)),
            Err(error) if error.code == Code::Damaged && reader.turn_from(&key) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes the key.
pub fn contents(context: &Context, opened: &Opened, dump: &Summary, objects: &ObjectList) -> Result<Contents> {
    contents_with(&opened.opener(context)?, opened, dump, objects)
}

pub fn contents_with(opener: &Opener, opened: &Opened, dump: &Summary, objects: &ObjectList) -> Result<Contents> {
    let (key, reader) = (opened.keys.dump_contents(&dump.id), opened.repository.reader());
    let stream = crate::flow::stream_reader::sound(&reader, objects, &key)?;
    let fail = |error| object(&key, error);
    let (_, body) = opener.open(&key, stream.as_slice()).map_err(fail)?;
    let mut text = Vec::new();
    let read = FrameReader::new(body).map_err(fail)?.take(MAX_CONTENTS + 1).read_to_end(&mut text);
    if read.map_err(|error| fail(error.into()))? as u64 > MAX_CONTENTS {
        return Err(damaged(&key, format!("it is longer than {MAX_CONTENTS} bytes, the most that a dump may have")));
    }
    Contents::parse(&text, &dump.id).map_err(|error| match error {
        crate::model::dump::ContentsError::TooNew(_) => {
            Error::new(Code::RepositoryTooNew, format!("{key}: {error}")).hint("install a newer pgcairn")
        }
        error => damaged(&key, error.to_string()),
    })
}
