//! The walk over directories made for it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::model::control_file::CONTROL_FILE_SIZE;

const CONTROL_FILE: &[u8] = include_bytes!("../../../fixtures/control_file/15.bin");
const VERSION: &str = "PG_15_202209061";

struct Cluster {
    temporary: TempDir,
}

impl Cluster {
    fn new() -> Cluster {
        let cluster = Cluster { temporary: tempfile::tempdir().unwrap() };
        for directory in ["base/5", "global", "pg_wal/archive_status", "pg_tblspc", "pg_xact", "pg_notify"] {
            fs::create_dir_all(cluster.data().join(directory)).unwrap();
        }
        for file in ["PG_VERSION", "global/pg_control", "global/1262", "base/5/1259"] {
            cluster.write(file);
        }
        let mut control_file = CONTROL_FILE.to_vec();
        control_file.resize(CONTROL_FILE_SIZE, 0);
        fs::write(cluster.data().join("global/pg_control"), control_file).unwrap();
        cluster
    }

    fn data(&self) -> PathBuf {
        self.temporary.path().join("data")
    }

    fn write(&self, path: &str) {
        let path = self.data().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, path.to_string_lossy().as_bytes()).unwrap();
    }

    fn open(&self) -> DataDirectory {
        DataDirectory::open(&self.data()).unwrap()
    }

    fn items(&self) -> Vec<Item> {
        self.open().walk().unwrap().collect::<Result<_>>().unwrap()
    }

    /// Paths of the entries below `prefix`, in order.
    fn paths(&self, prefix: &str) -> Vec<String> {
        let paths = self.items().into_iter().filter_map(|item| match item {
            Item::Entry(entry) => Some(entry.path.to_string()),
            Item::Notice(_) => None,
        });
        paths.filter(|path| path.starts_with(prefix)).collect()
    }

    fn notices(&self) -> Vec<Notice> {
        let notices = self.items().into_iter().filter_map(|item| match item {
            Item::Notice(notice) => Some(notice),
            Item::Entry(_) => None,
        });
        notices.collect()
    }

    fn error(&self) -> Error {
        self.open().walk().unwrap().find_map(|item| item.err()).unwrap()
    }
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn target(path: &Path) -> crate::model::path::RawPath {
    crate::model::path::RawPath::new(path.as_os_str().as_encoded_bytes()).unwrap()
}

#[test]
fn sorted_depth_first_with_pg_control_last() {
    let cluster = Cluster::new();
    cluster.write("postmaster.pid");
    cluster.write("base/5/1259.1");
    cluster.write("base/5/t3_17");
    cluster.write("base/pgsql_tmp/pgsql_tmp17.0");
    cluster.write("pg_wal/000000010000000000000001");
    cluster.write("pg_notify/0000");
    let expected = [
        "PG_VERSION",
        "base",
        "base/5",
        "base/5/1259",
        "base/5/1259.1",
        "global",
        "global/1262",
        "pg_notify",
        "pg_tblspc",
        "pg_wal",
        "pg_wal/archive_status",
        "pg_xact",
        "global/pg_control",
    ];
    assert_eq!(cluster.paths(""), expected);
    assert_eq!(cluster.notices(), []);
}

#[test]
fn unlogged_relations_keep_their_init_fork_alone() {
    let cluster = Cluster::new();
    for name in ["20", "20_fsm", "20.1", "20_init", "21"] {
        cluster.write(&format!("base/5/{name}"));
    }
    assert_eq!(cluster.paths("base/5/2"), ["base/5/20_init", "base/5/21"]);
}

#[test]
fn odd_names_and_empty_directories() {
    use std::os::unix::ffi::OsStrExt;
    let cluster = Cluster::new();
    fs::create_dir_all(cluster.data().join("pg_logical/snapshots")).unwrap();
    for name in [b"a = [x] # \\".as_slice(), b"\xff\xfe", b"new\nline", "\u{fc}".as_bytes()] {
        let path = cluster.data().join("pg_xact").join(std::ffi::OsStr::from_bytes(name));
        fs::write(path, name).unwrap();
    }
    assert_eq!(cluster.paths("pg_xact/").len(), 4);
    assert_eq!(cluster.paths("pg_logical"), ["pg_logical", "pg_logical/snapshots"]);
    let data = cluster.open();
    for item in data.walk().unwrap() {
        if let Item::Entry(Entry { path, kind: Kind::File, .. }) = item.unwrap() {
            assert!(data.open_file(&path).unwrap().is_some(), "{path}");
        }
    }
}

#[test]
fn linked_tablespaces() {
    let cluster = Cluster::new();
    let outside = cluster.temporary.path().join("space");
    let chained = cluster.temporary.path().join("chain");
    for location in [&outside, &chained] {
        fs::create_dir_all(location.join(VERSION).join("5")).unwrap();
        fs::create_dir_all(location.join("PG_14_202107181/5")).unwrap();
        fs::write(location.join(VERSION).join("5/30"), "x").unwrap();
    }
    symlink(&chained, cluster.temporary.path().join("hop")).unwrap();
    symlink(&outside, cluster.data().join("pg_tblspc/16384")).unwrap();
    symlink("../../hop", cluster.data().join("pg_tblspc/16385")).unwrap();
    let spaces: Vec<_> = cluster.items().into_iter().filter_map(tablespace).collect();
    assert_eq!(spaces[0], Tablespace { oid: 16384, link: Some(target(&outside)), location: target(&outside) });
    let relative = Some(target(Path::new("../../hop")));
    assert_eq!(spaces[1], Tablespace { oid: 16385, link: relative, location: target(&chained) });
    let expected = ["", "/PG_15_202209061", "/PG_15_202209061/5", "/PG_15_202209061/5/30"];
    for oid in ["16384", "16385"] {
        assert_eq!(cluster.paths(&format!("pg_tblspc/{oid}")), expected.map(|rest| format!("pg_tblspc/{oid}{rest}")));
    }
    let relation = cluster.items().into_iter().find_map(|item| match item {
        Item::Entry(Entry { kind: Kind::Relation(file), path, .. }) if path.file_name() == b"30" => Some(file),
        _ => None,
    });
    assert_eq!(relation.map(|file| (file.tablespace, file.database)), Some((16384, 5)));
}

fn tablespace(item: Item) -> Option<Tablespace> {
    match item {
        Item::Entry(Entry { kind: Kind::Tablespace(tablespace), .. }) => Some(tablespace),
        _ => None,
    }
}

#[test]
fn in_place_tablespaces() {
    let cluster = Cluster::new();
    cluster.write(&format!("pg_tblspc/16384/{VERSION}/5/30"));
    let space = cluster.items().into_iter().find_map(tablespace).unwrap();
    assert_eq!((space.oid, space.link), (16384, None));
    assert_eq!(cluster.paths("pg_tblspc/16384").len(), 4);
}

#[test]
fn a_tablespace_within_the_data_directory_is_walked_once() {
    let cluster = Cluster::new();
    cluster.write(&format!("spaces/one/{VERSION}/5/30"));
    symlink(cluster.data().join("spaces/one"), cluster.data().join("pg_tblspc/16384")).unwrap();
    assert_eq!(cluster.paths("spaces"), ["spaces", "spaces/one"]);
    assert_eq!(cluster.paths("pg_tblspc/16384").len(), 4);
    assert_eq!(cluster.notices(), [Notice::TablespaceInside { path: path("spaces/one") }]);
}

#[test]
fn a_tablespace_made_within_the_data_directory_meanwhile_is_walked_once() {
    for place in ["aged/one", "spaces/one"] {
        let cluster = Cluster::new();
        cluster.write(&format!("{place}/{VERSION}/5/30"));
        let mut seen = Vec::new();
        for item in cluster.open().walk().unwrap() {
            let Item::Entry(entry) = item.unwrap() else { continue };
            if entry.path == path("global") {
                symlink(cluster.data().join(place), cluster.data().join("pg_tblspc/16384")).unwrap();
            }
            seen.push(entry.path.to_string());
        }
        assert!(seen.contains(&"pg_tblspc/16384".to_owned()), "{seen:?}");
        assert_eq!(seen.iter().filter(|path| path.ends_with("/5/30")).count(), 1, "{seen:?}");
    }
}

#[test]
fn an_unmounted_tablespace_is_fatal() {
    let cluster = Cluster::new();
    let empty = cluster.temporary.path().join("mount");
    symlink(&empty, cluster.data().join("pg_tblspc/16384")).unwrap();
    assert!(matches!(cluster.error(), Error::TablespaceMissing { .. }), "dangling");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(cluster.error(), Error::TablespaceMissing { .. }), "empty");
}

#[test]
fn links() {
    let cluster = Cluster::new();
    let elsewhere = cluster.temporary.path().join("wal");
    fs::rename(cluster.data().join("pg_wal"), &elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o750)).unwrap();
    symlink(&elsewhere, cluster.data().join("pg_wal")).unwrap();
    symlink("/etc/hostname", cluster.data().join("postgresql.conf")).unwrap();
    symlink("/tmp", cluster.data().join("base/pgsql_tmp")).unwrap();
    assert_eq!(cluster.paths("pg_wal"), ["pg_wal", "pg_wal/archive_status"]);
    let expected = [
        Notice::LinkReplaced { path: path("pg_wal"), target: target(&elsewhere) },
        Notice::LinkSkipped { path: path("postgresql.conf"), target: target(Path::new("/etc/hostname")) },
    ];
    assert_eq!(cluster.notices(), expected);
    let mode = cluster.items().into_iter().find_map(|item| match item {
        Item::Entry(entry) if entry.path == path("pg_wal") => Some(entry.attributes.mode),
        _ => None,
    });
    assert_eq!(mode, Some(0o750));
}

#[test]
fn a_link_in_the_place_of_a_database_is_fatal() {
    let cluster = Cluster::new();
    let elsewhere = cluster.temporary.path().join("db");
    fs::rename(cluster.data().join("base/5"), &elsewhere).unwrap();
    symlink(&elsewhere, cluster.data().join("base/5")).unwrap();
    assert!(matches!(cluster.error(), Error::EssentialLink { path, .. } if path.as_bytes() == b"base/5"));
}

#[test]
fn sockets_are_noticed() {
    let cluster = Cluster::new();
    let _socket = std::os::unix::net::UnixListener::bind(cluster.data().join("s")).unwrap();
    assert_eq!(cluster.notices(), [Notice::SpecialSkipped { path: path("s") }]);
    assert!(cluster.open().open_file(&path("s")).unwrap().is_none());
}

#[test]
fn what_vanishes_during_the_walk_is_noticed() {
    let cluster = Cluster::new();
    cluster.write("base/5/20");
    cluster.write("base/6/20");
    let data = cluster.open();
    let mut notices = Vec::new();
    let mut seen = Vec::new();
    for item in data.walk().unwrap() {
        match item.unwrap() {
            Item::Notice(notice) => notices.push(notice),
            Item::Entry(entry) => {
                if entry.path == path("base/5/1259") {
                    fs::remove_file(cluster.data().join("base/5/20")).unwrap();
                    fs::remove_dir_all(cluster.data().join("base/6")).unwrap();
                }
                seen.push(entry.path);
            }
        }
    }
    assert_eq!(notices, ["base/5/20", "base/6"].map(|name| Notice::Vanished { path: path(name) }));
    assert!(!seen.contains(&path("base/6/20")));
    assert!(data.open_file(&path("base/5/20")).unwrap().is_none());
}

#[test]
fn unreadable_directories_are_fatal() {
    let cluster = Cluster::new();
    cluster.write("secret/x");
    let locked = cluster.data().join("secret");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read it all the same.
    if fs::read_dir(&locked).is_err() {
        assert!(matches!(cluster.error(), Error::Io { .. }));
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn other_directories_are_refused() {
    let cluster = Cluster::new();
    fs::remove_file(cluster.data().join("PG_VERSION")).unwrap();
    let error = DataDirectory::open(&cluster.data()).unwrap_err();
    assert!(error.to_string().ends_with("is not a data directory: it has no PG_VERSION"), "{error}");
    assert!(matches!(DataDirectory::open(Path::new("/nowhere")), Err(Error::NoDirectory { .. })));
}

#[test]
fn a_torn_control_file_is_read_again() {
    let cluster = Cluster::new();
    let data = cluster.open();
    let path = cluster.data().join("global/pg_control");
    let whole = fs::read(&path).unwrap();
    assert_eq!(data.read_control_file().unwrap(), (data.control_file().clone(), whole.clone()));
    let mut torn = whole.clone();
    torn[100] ^= 1;
    fs::write(&path, &torn).unwrap();
    assert!(matches!(data.read_control_file(), Err(Error::ControlFile { .. })));
    // The server has written it by the third time.
    let mut reads = [&torn, &torn, &whole].into_iter();
    let read = control_file::until_whole(&path, || Ok(reads.next().unwrap().clone()));
    assert_eq!(read.unwrap(), (data.control_file().clone(), whole.clone()));
    assert_eq!(reads.next(), None);
    fs::write(&path, &whole[..4096]).unwrap();
    assert!(matches!(data.read_control_file(), Err(Error::ControlFileSize { found: 4096, .. })));
}
