//! Exit statuses, where PostgreSQL reads them above all.

use insta::assert_snapshot;
use rustix::process::Signal;

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
        &["wal", "fetch", "--repository", "nfs://host", SEGMENT, "path"],
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

#[test]
fn long_work_speaks_in_lines_and_ends_with_the_failure() {
    let words = "restore --json --target-dir new --to 2026-11-20T14:05Z --repository file:///no/such/repository";
    let run = Place::new().run(&words.split(' ').collect::<Vec<_>>());
    let lines: Vec<serde_json::Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["schema"] == 1), "{run}");
    assert_eq!(lines[0]["event"], "notice", "{run}");
    assert!(lines[0]["message"].as_str().is_some_and(|said| said.contains("2026-11-20 14:05:00Z")), "{run}");
    let error = &lines.last().unwrap()["error"];
    assert!(error["code"].is_string() && error["message"].is_string(), "{run}");
    assert_eq!(error["exit_status"].as_i64(), run.status.map(i64::from), "{run}");
    assert_eq!(run.stderr, "");
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

/// A command that waits for its configuration gets a signal.
fn signalled(words: &[&str], signal: Signal) -> Option<i32> {
    let place = Place::new();
    let fifo = place.path("fifo.toml");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    let mut child = place.command().args(words).args(["-c", "fifo.toml"]).spawn().unwrap();
    // Opened for writing as soon as the command has opened it for reading: then it is past its start.
    let _held_open = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_signal_is_no_end_of_the_archive() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        assert_eq!(signalled(&["wal", "fetch", SEGMENT, "path"], signal), Some(126));
        assert_eq!(signalled(&["wal", "fetch", "--standby", SEGMENT, "path"], signal), Some(125));
        assert_eq!(signalled(&["wal", "push", SEGMENT], signal), Some(1));
    }
}
