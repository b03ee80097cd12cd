//! Where those who may only read a repository add to it. Members of its readers' group, who drill, may put objects into
//! such a directory; each of them stays its maker's and the owner's (the sticky bit), and is for everybody who gets there.

use std::os::fd::{AsFd, OwnedFd};

use nix::unistd::Group;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, RawMode, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::LocalBackend;
use crate::model::readers::READERS_GROUP;
use crate::store::error::{Error, Result};

/// No set-group-ID bit: a unit with `RestrictSUIDSGID=` may not set it.
const SHARED: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::SVTX);

/// The owner is no member of the makers' groups, and nobody else gets as far as that.
const SHARED_FILE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::ROTH);

impl LocalBackend {
    /// Of a directory below one that is there. Whether its readers may add to it now: not where they are no group of
    /// that name.
    pub(super) fn share(&self, directory: &str) -> Result<bool> {
        let readers = Group::from_name(READERS_GROUP).ok().flatten();
        self.share_with(directory, readers.map(|group| group.gid.as_raw()))
    }

    fn share_with(&self, directory: &str, readers: Option<u32>) -> Result<bool> {
        let refused = |error| Error::from_os("cannot open to its readers", self.place(directory), error);
        let failed = |error: Errno| refused(error.into());
        let group = fs::fstat(&self.root).map_err(failed)?.st_gid;
        let above = directory.rsplit_once('/').map_or(".", |(above, _)| above);
        if readers != Some(group) || matches!(fs::statat(&self.root, above, AtFlags::empty()), Err(Errno::NOENT)) {
            return Ok(false);
        }
        let opened = self.make_directory(directory).map_err(refused)?;
        if give(&opened, group).map_err(failed)? {
            self.sync_directories(directory)?;
        }
        Ok(true)
    }
}

/// Whether anything was changed.
fn give(directory: &OwnedFd, group: u32) -> rustix::io::Result<bool> {
    let stat = fs::fstat(directory)?;
    let is_right = stat.st_gid == group && stat.st_mode & SHARED.as_raw_mode() == SHARED.as_raw_mode();
    if !is_right {
        if stat.st_gid != group {
            fs::fchown(directory, None, Some(Gid::from_raw(group)))?;
        }
        fs::fchmod(directory, SHARED)?;
    }
    Ok(!is_right)
}

/// Nobody but members of a group may add to it, and take nothing of others'.
pub(super) fn is_shared(directory: impl AsFd) -> rustix::io::Result<bool> {
    const BITS: RawMode = Mode::SVTX.union(Mode::WGRP).union(Mode::WOTH).as_raw_mode();
    let shared = Mode::SVTX.union(Mode::WGRP).as_raw_mode();
    Ok(fs::fstat(directory)?.st_mode & BITS == shared)
}

/// The umask of whoever makes it counts for nothing there.
pub(super) fn make_readable(file: impl AsFd) -> rustix::io::Result<()> {
    fs::fchmod(file, SHARED_FILE)
}

/// What lies in such a directory and was not made for others to read, or is no file, is no object: links lead
/// elsewhere, and what cannot be opened would stand in the way of everything else.
pub(super) fn is_object(stat: &Stat) -> bool {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    is_file && (stat.st_mode & Mode::ROTH.as_raw_mode() != 0 || stat.st_uid == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::model::key::Key;
    use crate::store::backend::Backend;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn create(backend: &LocalBackend, key: &str) {
        backend.create(&Key::new(key.to_owned()).unwrap(), &mut std::io::Cursor::new(b"x")).unwrap();
    }

    #[test]
    fn only_what_is_named_is_opened_and_only_to_the_readers() {
        let root = tempfile::tempdir().unwrap();
        let backend = LocalBackend::open(root.path()).unwrap();
        let own = std::fs::metadata(root.path()).unwrap().gid();
        assert!(!backend.share_with("c/drills", Some(own)).unwrap(), "nothing of the cluster is there");
        assert!(!root.path().join("c").exists());
        create(&backend, "c/wal/1");
        for readers in [None, Some(own + 1)] {
            assert!(!backend.share_with("c/drills", readers).unwrap(), "the group is not the readers'");
        }
        assert!(!root.path().join("c/drills").exists());
        for _ in 0..2 {
            assert!(backend.share_with("c/drills", Some(own)).unwrap());
            assert_eq!(mode(&root.path().join("c/drills")), 0o1770);
        }
        create(&backend, "c/drills/1");
        assert_eq!(mode(&root.path().join("c/drills/1")), 0o644, "the owner reads what others make");
        assert_eq!(mode(&root.path().join("c/wal/1")) & 0o007, 0);
        assert_eq!(mode(&root.path().join("c/wal")) & 0o1022, 0);
    }

    #[test]
    fn one_that_is_there_already_is_mended() {
        let root = tempfile::tempdir().unwrap();
        let backend = LocalBackend::open(root.path()).unwrap();
        create(&backend, "c/drills/1");
        let own = std::fs::metadata(root.path()).unwrap().gid();
        assert!(backend.share_with("c/drills", Some(own)).unwrap());
        assert_eq!(mode(&root.path().join("c/drills")), 0o1770);
    }

    #[test]
    fn what_others_put_there_leads_nowhere_and_stands_in_nobody_s_way() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join("secret"), "").unwrap();
        let backend = LocalBackend::open(root.path()).unwrap();
        let own = std::fs::metadata(root.path()).unwrap().gid();
        create(&backend, "c/wal/1");
        backend.share_with("c/drills", Some(own)).unwrap();
        create(&backend, "c/drills/1");
        let drills = root.path().join("c/drills");
        symlink(elsewhere.path(), drills.join("directory")).unwrap();
        symlink(elsewhere.path().join("secret"), drills.join("file")).unwrap();
        std::fs::create_dir(drills.join("closed")).unwrap();
        std::fs::set_permissions(drills.join("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let listed = |prefix: &str| {
            let entries = backend.list(prefix).unwrap();
            entries.into_iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(listed("c/drills/"), ["c/drills/1"]);
        assert_eq!(listed("c/"), ["c/drills/1", "c/wal/1"]);
    }

    #[test]
    fn a_file_that_only_its_maker_reads_is_no_object() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut stat = fs::fstat(file.as_file()).unwrap();
        assert!(is_object(&stat), "our own");
        stat.st_uid += 1;
        assert!(!is_object(&stat));
        stat.st_mode |= 0o004;
        assert!(is_object(&stat));
    }
}
