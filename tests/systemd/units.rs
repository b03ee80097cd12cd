//! Each unit is understood, is confined, and calls what the command line takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use pgcairn::cli::Arguments;
use pgcairn::model::schedule::Job;

/// Tenths of what `systemd-analyze security` gives: 2.0.
const MOST_EXPOSED: &str = "20";

const PROGRAM: &str = "/usr/bin/pgcairn";

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// The names of the files that end so.
fn names(end: &str) -> Vec<String> {
    let entries = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(end)).collect();
    names.sort();
    names
}

fn text(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap()
}

/// The values of a setting, in this file alone.
fn values<'t>(text: &'t str, setting: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

/// The units with the program that was built.
fn installed() -> tempfile::TempDir {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    copy(&directory(), place.path());
    place
}

pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry, &to);
        } else {
            let text = fs::read_to_string(entry).unwrap();
            fs::write(to, text.replace(PROGRAM, env!("CARGO_BIN_EXE_pgcairn"))).unwrap();
        }
    }
}

/// What it says, and whether it is content.
fn analyze(words: &[&str], files: &[PathBuf]) -> (String, bool) {
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    asked(Command::new("systemd-analyze").args(words).arg("--no-pager").args(files))
}

/// The same with units that are looked for in these places, and then where systemd always looks.
pub fn analyze_in(places: &[PathBuf], words: &[&str]) -> (String, bool) {
    let path: String = places.iter().map(|place| format!("{}:", place.display())).collect();
    asked(Command::new("systemd-analyze").env("SYSTEMD_UNIT_PATH", path).arg("--no-pager").args(words))
}

fn asked(command: &mut Command) -> (String, bool) {
    let output = command.output();
    let output =
        output.expect("systemd-analyze cannot be run; scripts/packages test installs it, in the package systemd");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (said, output.status.success())
}

#[test]
fn every_unit_is_understood() {
    let place = installed();
    let files = [names(".service"), names(".timer")].concat();
    assert_eq!(files.len(), 3 * Job::ALL.len());
    let files: Vec<PathBuf> = files.iter().map(|name| place.path().join(name)).collect();
    assert_eq!(analyze(&["verify", "--man=no"], &files), (String::new(), true));
}

#[test]
fn every_service_is_confined() {
    let place = installed();
    for name in names(".service") {
        let (said, content) =
            analyze(&["security", "--offline=true", "--threshold", MOST_EXPOSED], &[place.path().join(&name)]);
        assert!(content && said.contains("Overall exposure level"), "{name}: {said}");
    }
}

#[test]
fn every_job_has_its_units() {
    let units = |job: Job| [job.service(""), job.timer(""), job.failed_service("")];
    let wanted: BTreeSet<String> = Job::ALL.into_iter().flat_map(units).collect();
    let there: BTreeSet<String> = [names(".service"), names(".timer")].concat().into_iter().collect();
    assert_eq!(there, wanted);
    for job in Job::ALL {
        let service = text(&job.service(""));
        assert_eq!(values(&service, "ExecStart"), [format!("{PROGRAM} -c %i --no-input {}", job.command())]);
        assert_eq!(values(&service, "OnFailure"), [job.failed_service("%i").replace(job.name(), "%j")]);
        let failed = text(&job.failed_service(""));
        assert_eq!(values(&failed, "ExecStart"), [format!("{PROGRAM} -c %i --no-input notify failed {job}")]);
        for setting in ["User", "DynamicUser", "StateDirectory", "StateDirectoryMode"] {
            assert_eq!(values(&failed, setting), values(&service, setting), "{job}: {setting}");
        }
    }
}

#[test]
fn every_command_is_taken() {
    for name in names(".service") {
        let unit = text(&name);
        for command in values(&unit, "ExecStart") {
            let taken = Arguments::try_parse_from(command.split(' '));
            assert!(taken.is_ok(), "{name}: {command}: {}", taken.unwrap_err());
        }
    }
}

/// Shared memory of a running server belongs to the same user; the drill belongs to nobody else.
#[test]
fn owners_keep_their_shared_memory_and_drills_their_distance() {
    for name in names(".service") {
        let unit = text(&name);
        match name.contains("drill") {
            true => {
                assert_eq!((values(&unit, "DynamicUser"), values(&unit, "User")), (vec!["yes"], vec!["pgcairn-drill"]))
            }
            false => assert_eq!((values(&unit, "RemoveIPC"), values(&unit, "User")), (vec!["no"], vec!["postgres"])),
        }
    }
}

#[test]
fn what_was_missed_is_made_up_for() {
    for name in names(".timer") {
        let timer = text(&name);
        assert_eq!(values(&timer, "Persistent"), ["yes"], "{name}");
        assert_eq!(values(&timer, "RandomizedDelaySec").len(), 1, "{name}");
        for calendar in values(&timer, "OnCalendar") {
            assert!(analyze(&["calendar", calendar], &[]).1, "{name}: {calendar}");
        }
    }
}
