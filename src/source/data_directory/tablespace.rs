//! Tablespaces: links (absolute, relative, chained) or directories in pg_tblspc.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::super::error::{Error, Result};
use super::entry::Tablespace;
use super::listing::Listing;
use super::{DIRECTORY_FLAGS, DataDirectory};
use crate::model::path::{RawPath, RelPath};
use crate::model::relation::{DirectoryRule, Place};

/// `DROP TABLESPACE` removes the version directory and then the link: between the two a tablespace looks
/// like one that is not mounted (`destroy_tablespace_directories`). Only the latter stays so.
const DROP_TRIES: u32 = 10;
const DROP_WAIT: Duration = Duration::from_millis(10);

const TABLESPACES: &str = "pg_tblspc";

/// Device and inode: the one name of a directory that links cannot change.
pub(super) type DirectoryId = (u64, u64);

pub(super) fn directory_id(stat: &Stat) -> DirectoryId {
    (stat.st_dev, stat.st_ino)
}

/// The locations that links in pg_tblspc lead to; where one lies within the data directory, it is left
/// out there, else it would be copied twice.
pub(super) fn linked_locations(data: &DataDirectory) -> Result<HashSet<DirectoryId>> {
    let path = data.path.join(TABLESPACES);
    let fd = match openat(&data.fd, TABLESPACES, DIRECTORY_FLAGS, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(HashSet::new()),
        Err(e) => return Err(Error::io("open", path, e)),
    };
    let mut listing = Listing::read(&fd, &path)?;
    let mut locations = HashSet::new();
    while let Some(name) = listing.next_name() {
        let rule = Place::Tablespaces.directory(&name, &data.version_directory);
        let is_link = readlinkat(&fd, name.as_slice(), Vec::new()).is_ok();
        if is_link && matches!(rule, DirectoryRule::Enter(Place::Tablespace(_))) {
            // An unreachable location is reported when the walk arrives at it.
            locations.extend(statat(&fd, name.as_slice(), AtFlags::empty()).ok().map(|stat| directory_id(&stat)));
        }
    }
    Ok(locations)
}

/// The tablespace called `path`, its open directory and status; `None` where it was dropped meanwhile.
pub(super) fn open_tablespace(
    data: &DataDirectory,
    oid: u32,
    path: &RelPath,
    link: Option<RawPath>,
) -> Result<Option<(Tablespace, OwnedFd, Stat)>> {
    let absolute = data.absolute(path);
    for attempt in 0..DROP_TRIES {
        if attempt > 0 {
            sleep(DROP_WAIT);
        }
        if let Err(Errno::NOENT) = statat(&data.fd, path.as_path(), AtFlags::SYMLINK_NOFOLLOW) {
            return Ok(None);
        }
        if let Some((fd, stat)) = try_open(data, path)? {
            let location = std::fs::canonicalize(&absolute).map_err(|e| Error::io("resolve", &absolute, e))?;
            let location = RawPath::new(location.into_os_string().into_vec())?;
            return Ok(Some((Tablespace { oid, link, location }, fd, stat)));
        }
    }
    let location = link.map_or_else(|| RawPath::new(path.as_bytes()), Ok)?;
    let version_directory = String::from_utf8_lossy(&data.version_directory).into_owned();
    Err(Error::TablespaceMissing { path: path.clone(), location, version_directory })
}

/// `None` where the directory or our version's part of it is not there.
fn try_open(data: &DataDirectory, path: &RelPath) -> Result<Option<(OwnedFd, Stat)>> {
    let error = |e: Errno| Error::io("open", data.absolute(path), e);
    let opened = openat(&data.fd, path.as_path(), DIRECTORY_FLAGS, Mode::empty());
    let version = |fd: &OwnedFd| statat(fd, data.version_directory.as_slice(), AtFlags::empty());
    match opened.and_then(|fd| version(&fd).map(|_| fd)) {
        Ok(fd) => {
            let stat = rustix::fs::fstat(&fd).map_err(error)?;
            Ok(Some((fd, stat)))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(error(e)),
    }
}
