//! What only a directory can do or suffer.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgcairn::store::{Backend, Error, LocalBackend, TEMPORARY};

use crate::layers::{Counting, Faulty, When};
use crate::memory::Memory;
use crate::suite::{conformance, exists_already, is_missing, key, put, read};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(names_below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn the_local_store_conforms() {
    let root = directory();
    conformance(Arc::new(LocalBackend::open(root.path()).unwrap()));
    let left = names_below(root.path()).into_iter().filter(|path| path.to_string_lossy().contains(TEMPORARY));
    assert_eq!(left.count(), 0);
}

#[test]
fn the_store_in_memory_conforms() {
    conformance(Arc::new(Memory::default()));
}

#[test]
fn layers_conform() {
    let root = directory();
    let local = Arc::new(LocalBackend::open(root.path()).unwrap());
    conformance(Faulty::new(Counting::new(local), usize::MAX, When::Before));
}

#[test]
fn a_root_is_created_by_name_only() {
    let parent = directory();
    let root = parent.path().join("deep/down/root");
    assert!(matches!(LocalBackend::open(&root), Err(Error::NotARepository { .. })));
    let store = LocalBackend::create_root(&root).unwrap();
    put(&store, "a", b"x").unwrap();
    LocalBackend::create_root(&root).unwrap();
    assert_eq!(read(&LocalBackend::open(&root).unwrap(), "a").unwrap(), b"x");
    fs::remove_dir_all(&root).unwrap();
    assert!(matches!(put(&store, "b", b"x"), Err(Error::NotARepository { .. })));
    assert!(!root.exists());
    fs::write(parent.path().join("file"), b"").unwrap();
    assert!(matches!(LocalBackend::open(&parent.path().join("file")), Err(Error::NotARepository { .. })));
    assert!(LocalBackend::create_root(&parent.path().join("file/root")).is_err());
}

#[test]
fn a_root_that_was_exchanged_takes_no_write() {
    let parent = directory();
    let root = parent.path().join("root");
    let store = LocalBackend::create_root(&root).unwrap();
    fs::rename(&root, parent.path().join("moved")).unwrap();
    fs::create_dir(&root).unwrap();
    assert!(matches!(put(&store, "a", b"x"), Err(Error::NotARepository { .. })));
    assert_eq!(names_below(parent.path()).len(), 2);
}

#[test]
fn modes_let_the_group_read_and_others_nothing() {
    let root = directory();
    let store = LocalBackend::create_root(&root.path().join("root")).unwrap();
    put(&store, "a/b", b"x").unwrap();
    let mode = |name: &str| fs::metadata(root.path().join(name)).unwrap().mode() & 0o7777;
    // The umask may take more away.
    for (name, most, least) in [("root", 0o750, 0o700), ("root/a", 0o750, 0o700), ("root/a/b", 0o640, 0o600)] {
        assert_eq!((mode(name) & !most, mode(name) & least), (0, least), "{name}: {:o}", mode(name));
    }
    assert_eq!(fs::metadata(root.path().join("root/a/b")).unwrap().nlink(), 1);
}

#[test]
fn temporary_files_are_not_seen_and_old_ones_go() {
    let root = directory();
    let (old, new) = (root.path().join(format!("d/{TEMPORARY}old")), root.path().join(format!("d/{TEMPORARY}new")));
    let store = LocalBackend::open(root.path()).unwrap();
    put(&store, "d/a", b"x").unwrap();
    for path in [&old, &new] {
        fs::write(path, b"half").unwrap();
    }
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
    fs::File::options().write(true).open(&old).unwrap().set_modified(two_days_ago).unwrap();
    fs::create_dir(root.path().join("lost+found")).unwrap();
    assert_eq!(store.list("").unwrap().len(), 1);
    let next = LocalBackend::open(root.path()).unwrap();
    put(&next, "d/b", b"y").unwrap();
    assert!(!old.exists() && new.exists());
    assert!(matches!(put(&next, &format!("d/{TEMPORARY}x"), b""), Err(Error::Name(_))));
    assert!(matches!(next.list("../"), Err(Error::Name(_))));
}

#[test]
fn what_is_no_file_is_no_object() {
    let root = directory();
    let store = LocalBackend::open(root.path()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("fifo"), rustix::fs::Mode::RWXU).unwrap();
    assert!(is_missing(store.get(&key("fifo")), "fifo"));
    assert!(exists_already(&put(&store, "fifo", b""), "fifo"));
    std::os::unix::fs::symlink("nowhere", root.path().join("link")).unwrap();
    std::os::unix::fs::symlink(".", root.path().join("loop")).unwrap();
    assert!(is_missing(store.get(&key("link")), "link"));
    put(&store, "object", b"x").unwrap();
    assert!(store.list("").unwrap().iter().any(|entry| entry.key == key("object")));
}

/// Root may do everything, so this test wants an ordinary user.
#[test]
fn a_directory_without_permission_says_so() {
    let root = directory();
    let store = LocalBackend::open(root.path()).unwrap();
    put(&store, "closed/a", b"x").unwrap();
    let closed = root.path().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(put(&store, "closed/b", b"x"), Err(Error::Permission { .. })));
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(store.get(&key("closed/a")), Err(Error::Permission { .. })));
        assert!(matches!(store.list(""), Err(Error::Permission { .. })));
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}
