//! The walk: depth first, every directory listed to its end before its first name is looked at, because
//! only then is it known which relations are unlogged.

use std::collections::{HashSet, VecDeque};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::super::error::{Error, Result};
use super::entry::{Attributes, Entry, Item, Kind, Notice};
use super::listing::Listing;
use super::tablespace::{DirectoryId, directory_id, linked_locations, open_tablespace};
use super::{DIRECTORY_FLAGS, DataDirectory};
use crate::model::path::{RawPath, RelPath};
use crate::model::relation::{DirectoryRule, FileRule, Place, RelationName};

/// Each level holds one descriptor; PostgreSQL itself needs six.
const MAX_DEPTH: usize = 64;

/// Iterates over what a backup copies, and over notices. Ends after the first error.
#[derive(Debug)]
pub struct Walk<'a> {
    data: &'a DataDirectory,
    stack: Vec<Frame>,
    ready: VecDeque<Item>,
    /// Held back: pg_control is copied last.
    control_file: Option<Item>,
    tablespaces: HashSet<DirectoryId>,
    /// Directories within the data directory: a tablespace made in one of them meanwhile is copied already.
    entered: HashSet<DirectoryId>,
}

/// A directory whose names are being looked at; `path` is `None` for the data directory itself.
#[derive(Debug)]
struct Frame {
    fd: OwnedFd,
    path: Option<RelPath>,
    place: Place,
    listing: Listing,
}

/// One name, looked at.
struct Found {
    path: RelPath,
    name: Vec<u8>,
    place: Place,
    stat: Stat,
}

impl<'a> Walk<'a> {
    pub(super) fn new(data: &'a DataDirectory) -> Result<Walk<'a>> {
        let fd = data.fd.try_clone().map_err(|e| Error::io("open", &data.path, e))?;
        let tablespaces = linked_locations(data)?;
        let listing = Listing::read(&fd, &data.path)?;
        let root = Frame { fd, path: None, place: Place::Root, listing };
        Ok(Walk {
            data,
            stack: vec![root],
            ready: VecDeque::new(),
            control_file: None,
            tablespaces,
            entered: HashSet::new(),
        })
    }

    /// Looks at the next name; false when there is none.
    fn step(&mut self) -> Result<bool> {
        let Some(frame) = self.stack.last_mut() else {
            self.ready.extend(self.control_file.take());
            return Ok(!self.ready.is_empty());
        };
        let Some(name) = frame.listing.next_name() else {
            self.stack.pop();
            return Ok(true);
        };
        let path = match &frame.path {
            Some(path) => path.join(&name)?,
            None => RelPath::new(name.as_slice())?,
        };
        let place = frame.place;
        match statat(&frame.fd, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.look_at(Found { path, name, place, stat })?,
            Err(Errno::NOENT) => self.notice(Notice::Vanished { path }),
            Err(e) => return Err(Error::io("read the attributes of", self.data.absolute(&path), e)),
        }
        Ok(true)
    }

    fn look_at(&mut self, found: Found) -> Result<()> {
        match FileType::from_raw_mode(found.stat.st_mode) {
            FileType::RegularFile => self.file(found),
            FileType::Directory => self.directory(found),
            FileType::Symlink => self.link(found),
            _ if self.is_skipped(&found) => Ok(()),
            _ => {
                self.notice(Notice::SpecialSkipped { path: found.path });
                Ok(())
            }
        }
    }

    fn file(&mut self, found: Found) -> Result<()> {
        let kind = match found.place.file(&found.name) {
            FileRule::Relation(file) if self.is_unlogged(file.name) => return Ok(()),
            FileRule::Skip(_) => return Ok(()),
            FileRule::Relation(file) => Kind::Relation(file),
            FileRule::ControlFile => Kind::ControlFile,
            FileRule::Other => Kind::File,
        };
        let is_last = kind == Kind::ControlFile;
        let item = Item::Entry(Entry { path: found.path, kind, attributes: Attributes::of(&found.stat) });
        if is_last {
            self.control_file = Some(item);
        } else {
            self.ready.push_back(item);
        }
        Ok(())
    }

    fn directory(&mut self, found: Found) -> Result<()> {
        match found.place.directory(&found.name, &self.data.version_directory) {
            DirectoryRule::Skip(_) => Ok(()),
            DirectoryRule::Enter(Place::Tablespace(oid)) => self.tablespace(oid, found.path, None),
            DirectoryRule::Enter(_) if self.tablespaces.contains(&directory_id(&found.stat)) => {
                self.emit(found.path.clone(), Kind::Directory, &found.stat);
                self.notice(Notice::TablespaceInside { path: found.path });
                Ok(())
            }
            DirectoryRule::Enter(place) => {
                let Some(fd) = self.open_directory(&found, OFlags::NOFOLLOW)? else { return Ok(()) };
                self.entered.insert(directory_id(&found.stat));
                self.emit(found.path.clone(), Kind::Directory, &found.stat);
                self.enter(fd, found.path, place)
            }
        }
    }

    fn link(&mut self, found: Found) -> Result<()> {
        if self.is_skipped(&found) {
            return Ok(());
        }
        let Some(target) = self.read_link(&found)? else { return Ok(()) };
        let rule = found.place.directory(&found.name, &self.data.version_directory);
        match rule {
            DirectoryRule::Enter(Place::Tablespace(oid)) => self.tablespace(oid, found.path, Some(target)),
            DirectoryRule::Enter(place) if found.place.is_emptied(&found.name) => {
                self.replaced_link(found, target, place)
            }
            _ if found.place.is_essential(&found.name) => Err(Error::EssentialLink { path: found.path, target }),
            _ => {
                self.notice(Notice::LinkSkipped { path: found.path, target });
                Ok(())
            }
        }
    }

    /// A link such as pg_wal's: the copy gets a directory with the attributes of the one it leads to.
    fn replaced_link(&mut self, found: Found, target: RawPath, place: Place) -> Result<()> {
        let Some(fd) = self.open_directory(&found, OFlags::empty())? else { return Ok(()) };
        let stat = rustix::fs::fstat(&fd).map_err(|e| Error::io("open", self.data.absolute(&found.path), e))?;
        self.emit(found.path.clone(), Kind::Directory, &stat);
        self.notice(Notice::LinkReplaced { path: found.path.clone(), target });
        self.enter(fd, found.path, place)
    }

    fn tablespace(&mut self, oid: u32, path: RelPath, link: Option<RawPath>) -> Result<()> {
        let Some((tablespace, fd, stat)) = open_tablespace(self.data, oid, &path, link)? else {
            self.notice(Notice::Vanished { path });
            return Ok(());
        };
        self.emit(path.clone(), Kind::Tablespace(tablespace), &stat);
        let location = directory_id(&stat);
        self.tablespaces.insert(location);
        // Made since the walk began and within the data directory: what it holds comes from WAL.
        if self.entered.contains(&location) {
            self.notice(Notice::TablespaceInside { path });
            return Ok(());
        }
        self.enter(fd, path, Place::Tablespace(oid))
    }

    fn enter(&mut self, fd: OwnedFd, path: RelPath, place: Place) -> Result<()> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Error::TooDeep { path, limit: MAX_DEPTH });
        }
        let mut listing = Listing::read(&fd, &self.data.absolute(&path))?;
        if matches!(place, Place::Relations { .. }) {
            listing.find_unlogged();
        }
        self.stack.push(Frame { fd, path: Some(path), place, listing });
        Ok(())
    }

    /// `None`, and noticed, where it has vanished.
    fn open_directory(&mut self, found: &Found, flags: OFlags) -> Result<Option<OwnedFd>> {
        let Some(frame) = self.stack.last() else { return Ok(None) };
        match openat(&frame.fd, found.name.as_slice(), DIRECTORY_FLAGS | flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => {
                self.notice(Notice::Vanished { path: found.path.clone() });
                Ok(None)
            }
            Err(e) => Err(Error::io("open", self.data.absolute(&found.path), e)),
        }
    }

    fn read_link(&mut self, found: &Found) -> Result<Option<RawPath>> {
        let Some(frame) = self.stack.last() else { return Ok(None) };
        match readlinkat(&frame.fd, found.name.as_slice(), Vec::new()) {
            Ok(target) => Ok(Some(RawPath::new(target.into_bytes())?)),
            Err(Errno::NOENT) => {
                self.notice(Notice::Vanished { path: found.path.clone() });
                Ok(None)
            }
            Err(e) => Err(Error::io("read the link", self.data.absolute(&found.path), e)),
        }
    }

    /// Whether the rules leave out a link or special file of this name anyway, without a warning.
    fn is_skipped(&self, found: &Found) -> bool {
        matches!(found.place.file(&found.name), FileRule::Skip(_))
    }

    fn is_unlogged(&self, name: RelationName) -> bool {
        self.stack.last().is_some_and(|frame| frame.listing.is_unlogged(name))
    }

    fn emit(&mut self, path: RelPath, kind: Kind, stat: &Stat) {
        self.ready.push_back(Item::Entry(Entry { path, kind, attributes: Attributes::of(stat) }));
    }

    fn notice(&mut self, notice: Notice) {
        self.ready.push_back(Item::Notice(notice));
    }

    fn fail(&mut self, error: Error) -> Error {
        self.stack.clear();
        self.ready.clear();
        self.control_file = None;
        error
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(Ok(item));
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(self.fail(error))),
            }
        }
    }
}
