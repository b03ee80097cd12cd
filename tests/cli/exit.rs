//! Exit statuses, where PostgreSQL reads them above all.

use insta::assert_snapshot;

use super::support::{CONFIG, Place};

const SEGMENT: &str = "000000010000000000000001";

#[test]
fn usage_errors_end_with_2() {
    let place = Place::new();
    assert_snapshot!(place.run(&["backup", "--ful"]));
    assert_snapshot!(place.run(&["backup", "--ful", "--json"]));
    assert_eq!(place.run(&[]).status, Some(2));
    assert_eq!(place.run(&["restore", "--to", "latest"]).status, Some(2));
}

#[test]
fn whatever_fails_before_a_fetch_ends_with_126() {
    let place = Place::new();
    place.write("broken.toml", "name = ");
    place.write("keyless.toml", CONFIG);
    place.write("identity.txt", "not a key");
    for words in [
        &["wal", "fetch"][..],
        &["wal", "fetch", SEGMENT],
        &["wal", "fetch", "not-a-name", "path"],
        &["wal", "fetch", "--bogus", SEGMENT, "path"],
        &["wal", "fech", SEGMENT, "path"],
        &["fetch", SEGMENT, "path"],
        &["wal", "fetch", SEGMENT, "path", "more"],
        &["wal", "fetch", "-c", "absent.toml", SEGMENT, "path"],
        &["wal", "fetch", "-c", "no-such-cluster", SEGMENT, "path"],
        &["wal", "fetch", "-c", "broken.toml", SEGMENT, "path"],
        &["wal", "fetch", "-c", "keyless.toml", "--identity", "identity.txt", SEGMENT, "path"],
        &["wal", "fetch", "-c", "keyless.toml", "--identity", "absent.txt", SEGMENT, "path"],
        &["wal", "fetch", "--repository", "s3://bucket", SEGMENT, "path"],
        &["wal", "fetch", "--from", "absent", SEGMENT, "path"],
        &["wal", "fetch", "--help", SEGMENT, "path"],
    ] {
        let run = place.run(words);
        assert_eq!(run.status, Some(126), "{words:?}: {run}");
        let standby = [words, &["--standby"]].concat();
        assert_eq!(place.run(&standby).status, Some(125), "{standby:?}");
    }
    assert_eq!(place.run(&["wal", "fetch", "--help"]).status, Some(0));
}

#[test]
fn whatever_fails_before_a_push_ends_within_1_to_125() {
    let place = Place::new();
    for words in
        [&["wal", "push"][..], &["wal", "push", "--bogus", SEGMENT], &["wal", "push", "-c", "absent.toml", SEGMENT]]
    {
        let status = place.run(words).status;
        assert!(status.is_some_and(|status| (1..=125).contains(&status)), "{words:?}: {status:?}");
    }
}

#[test]
fn a_server_s_log_is_told_who_speaks() {
    assert_snapshot!(Place::new().run(&["wal", "fetch", "-c", "absent.toml", SEGMENT, "path"]));
}

#[test]
fn failures_are_objects_with_json() {
    assert_snapshot!(Place::new().run(&["-c", "absent.toml", "list", "--json"]));
}

/// Words of `restore` after `--target-dir`.
const REFUSED: &[(&str, &[&str])] = &[
    ("no target", &[]),
    ("two targets", &["--to", "latest", "--to-xid", "731"]),
    ("latest with an action", &["--to", "latest", "--action", "pause"]),
    ("exclusive without a point", &["--to-name", "x", "--exclusive"]),
    ("backup alone with a timeline", &["--backup", "latest", "--timeline", "2"]),
    ("time without zone", &["--to", "2026-11-20 14:05"]),
    ("time that happened twice", &["--to", "2026-10-25 02:30 Europe/Berlin"]),
    ("no time", &["--to", "yesterday"]),
    ("no lsn", &["--to-lsn", "16-B374D848"]),
    ("no xid", &["--to-xid", "2"]),
    ("no selector", &["--backup", "newest"]),
    ("relative tablespace", &["--to", "latest", "--tablespace", "/a=b"]),
];

#[test]
fn restore_refuses_what_has_no_meaning() {
    let mut said = String::new();
    for (name, words) in REFUSED {
        let run = Place::with_config().run(&[&["-c", "main.toml", "restore", "--target-dir", "new"], *words].concat());
        assert_eq!(run.status, Some(2), "{name}: {run}");
        said += &format!("# {name}\n{run}\n");
    }
    assert_snapshot!(said);
}
