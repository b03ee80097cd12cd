//! The rules, name by name.

use super::*;

const VERSION: &[u8] = b"PG_15_202209061";
const DATABASE: Place = Place::Relations { tablespace: DEFAULT_TABLESPACE, database: 5 };
const GLOBAL: Place = Place::Relations { tablespace: GLOBAL_TABLESPACE, database: 0 };

fn name(relfilenode: u32, fork: Fork, segment: u32) -> Option<RelationName> {
    Some(RelationName { relfilenode, fork, segment })
}

#[test]
fn relation_names() {
    for (text, expected) in [
        ("1259", name(1259, Fork::Main, 0)),
        ("1259.1", name(1259, Fork::Main, 1)),
        ("4294967295_fsm.12", name(u32::MAX, Fork::Fsm, 12)),
        ("16384_vm", name(16384, Fork::Vm, 0)),
        ("16384_init", name(16384, Fork::Init, 0)),
    ] {
        assert_eq!(RelationName::parse(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn names_that_only_look_like_relations() {
    for text in [
        "",
        "0",
        "0017",
        "0017.3",
        "17.0",
        "17.03",
        "17.",
        "17_",
        "17_foo",
        "17_initx",
        "17_init_fsm",
        "4294967296",
        "17.4294967296",
        "17 ",
        "pg_filenode.map",
        "PG_VERSION",
        "t3_17",
        "17_FSM",
        "+17",
        "17.1.1",
    ] {
        assert_eq!(RelationName::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn temporary_relation_names() {
    for text in ["t3_16384", "t3_16384_fsm", "t30_16384.2", "t3_16384_init.1", "t03_0"] {
        assert!(is_temporary_relation(text.as_bytes()), "{text}");
    }
    for text in ["t", "t_1", "t1_", "t3", "t3_1_foo", "t3_1.", "x3_1", "t3_1x", "t3_1.1x", "3_1"] {
        assert!(!is_temporary_relation(text.as_bytes()), "{text}");
    }
}

#[test]
fn files_of_the_root() {
    for text in ["postmaster.pid", "backup_label", "standby.signal", "recovery.signal.old", "current_logfiles"] {
        assert_eq!(Place::Root.file(text.as_bytes()), FileRule::Skip(Skip::ByName), "{text}");
        assert_eq!(Place::Other.file(text.as_bytes()), FileRule::Other, "{text} means something only at the root");
    }
    for text in ["PG_VERSION", "postgresql.conf", "postgresql.auto.conf", "backup_label_mine", "16384"] {
        assert_eq!(Place::Root.file(text.as_bytes()), FileRule::Other, "{text}");
    }
}

#[test]
fn files_of_a_database() {
    let relation = RelationName::parse(b"1259_vm").unwrap();
    let relation = RelationFile { tablespace: DEFAULT_TABLESPACE, database: 5, name: relation };
    assert_eq!(DATABASE.file(b"1259_vm"), FileRule::Relation(relation));
    assert_eq!(DATABASE.file(b"t3_17"), FileRule::Skip(Skip::TemporaryRelation));
    assert_eq!(DATABASE.file(b"pg_internal.init.4711"), FileRule::Skip(Skip::ByName));
    assert_eq!(DATABASE.file(b"pg_filenode.map"), FileRule::Other);
    assert_eq!(DATABASE.file(b"pg_control"), FileRule::Other);
    assert_eq!(GLOBAL.file(b"pg_control"), FileRule::ControlFile);
    assert_eq!(GLOBAL.file(b"t3_17"), FileRule::Other);
}

#[test]
fn directories() {
    let enter = |place: Place, name: &str| place.directory(name.as_bytes(), VERSION);
    assert_eq!(enter(Place::Root, "base"), DirectoryRule::Enter(Place::Base));
    assert_eq!(enter(Place::Root, "global"), DirectoryRule::Enter(GLOBAL));
    assert_eq!(enter(Place::Root, "pg_xact"), DirectoryRule::Enter(Place::Other));
    assert_eq!(enter(Place::Root, "pg_notify"), DirectoryRule::Enter(Place::Emptied));
    assert_eq!(enter(Place::Root, "log"), DirectoryRule::Enter(Place::Emptied));
    assert_eq!(enter(Place::Other, "log"), DirectoryRule::Enter(Place::Other));
    assert_eq!(enter(Place::Base, "5"), DirectoryRule::Enter(DATABASE));
    assert_eq!(enter(Place::Base, "pgsql_tmp"), DirectoryRule::Skip(Skip::ByName));
    assert_eq!(enter(Place::Base, "05"), DirectoryRule::Enter(Place::Other));
    assert_eq!(enter(Place::Wal, "archive_status"), DirectoryRule::Enter(Place::Emptied));
    assert_eq!(enter(Place::Wal, "mine"), DirectoryRule::Skip(Skip::Contents));
    assert_eq!(Place::Emptied.file(b"x"), FileRule::Skip(Skip::Contents));
}

#[test]
fn only_our_version_of_a_tablespace() {
    let tablespace = Place::Tablespaces.directory(b"16384", VERSION);
    assert_eq!(tablespace, DirectoryRule::Enter(Place::Tablespace(16384)));
    let place = Place::Tablespace(16384);
    assert_eq!(place.directory(VERSION, VERSION), DirectoryRule::Enter(Place::TablespaceVersion(16384)));
    assert_eq!(place.directory(b"PG_14_202107181", VERSION), DirectoryRule::Skip(Skip::OtherVersion));
    assert_eq!(place.file(b"readme"), FileRule::Skip(Skip::OtherVersion));
    let database = Place::Relations { tablespace: 16384, database: 5 };
    assert_eq!(Place::TablespaceVersion(16384).directory(b"5", VERSION), DirectoryRule::Enter(database));
}

#[test]
fn links_in_the_place_of_what_is_needed() {
    for (place, name, essential) in [
        (Place::Root, "base", true),
        (Place::Root, "postgresql.conf", false),
        (Place::Root, "pg_wal", false),
        (Place::Base, "5", true),
        (DATABASE, "1259", true),
        (DATABASE, "my.link", false),
        (GLOBAL, "pg_control", true),
        (Place::Other, "5", false),
    ] {
        assert_eq!(place.is_essential(name.as_bytes()), essential, "{name}");
    }
    assert!(Place::Root.is_emptied(b"pg_wal") && Place::Root.is_emptied(b"pg_stat_tmp"));
    assert!(!Place::Root.is_emptied(b"base"));
}

#[test]
fn block_numbers_run_on_across_segments() {
    let name = RelationName::parse(b"1259.3").unwrap();
    let file = RelationFile { tablespace: DEFAULT_TABLESPACE, database: 5, name };
    assert_eq!(file.first_block(131072), 393216);
}

#[test]
fn what_a_restore_left_is_no_part_of_the_cluster() {
    for name in [RESTORED_WAL, CAPTURED_CONFIGURATION, UNFINISHED_RESTORE] {
        let name = name.as_bytes();
        assert_eq!(Place::Root.directory(name, VERSION), DirectoryRule::Skip(Skip::ByName));
        assert_eq!(Place::Root.file(name), FileRule::Skip(Skip::ByName));
        assert_eq!(Place::Other.file(name), FileRule::Other);
        assert_eq!(Place::Other.directory(name, VERSION), DirectoryRule::Enter(Place::Other));
    }
}
