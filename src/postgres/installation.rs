//! The server's programs on this machine, for servers of our own.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ScratchServer;
use super::connection::SUPPORTED;
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;

/// Without both of them no server can be made.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// Where packages put each major, which they keep out of `PATH`: Debian's, those of RPM systems.
const PER_MAJOR: [(&str, &str); 2] = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];
const OWN_BUILD: &str = "/usr/local/pgsql/bin";

/// How `initdb` is called besides the directory. The directory that the socket lies in is closed to
/// others, so that no password is needed. What is lost in a crash of the machine was to be thrown away.
const INITDB_OPTIONS: [&str; 7] = [
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--data-checksums",
    "--no-instructions",
    "--no-sync",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    bindir: PathBuf,
    /// `15.14`, or `19beta1`.
    pub version: String,
}

impl Installation {
    /// In `bindir`, or else in `PATH` and where packages put it: the newest that pgcairn supports.
    pub fn find(bindir: Option<&Path>) -> Result<Installation> {
        let places = bindir.map_or_else(usual_places, |bindir| vec![bindir.to_owned()]);
        let found = places.iter().filter_map(|place| Installation::at(place));
        let newest = found.filter(|(major, _)| SUPPORTED.contains(major)).max_by_key(|(major, _)| *major);
        newest.map(|(_, installation)| installation).ok_or_else(|| not_found(bindir))
    }

    fn at(bindir: &Path) -> Option<(u32, Installation)> {
        let bindir = std::path::absolute(bindir).ok()?;
        if !PROGRAMS.iter().all(|program| bindir.join(program).is_file()) {
            return None;
        }
        let output = Command::new(bindir.join("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.strip_prefix("postgres (PostgreSQL) ")?.split_whitespace().next()?.to_owned();
        let major = major_of(&version)?;
        Some((major, Installation { bindir, version }))
    }

    /// One that runs what a server of `major` has left: no other does.
    pub fn find_major(major: u32, bindir: Option<&Path>) -> Result<Installation> {
        let places = bindir.map_or_else(usual_places, |bindir| vec![bindir.to_owned()]);
        let found: Vec<(u32, Installation)> = places.iter().filter_map(|place| Installation::at(place)).collect();
        let fits = found.iter().filter(|(found, _)| *found == major);
        let newest = fits.max_by_key(|(_, installation)| minor_of(&installation.version));
        newest.map(|(_, installation)| installation.clone()).ok_or_else(|| no_major(major, bindir, &found))
    }

    /// One that takes what was dumped from a server of `major`: the same, else the next newer one.
    pub fn find_from(major: u32, bindir: Option<&Path>) -> Result<Installation> {
        let places = bindir.map_or_else(usual_places, |bindir| vec![bindir.to_owned()]);
        let found: Vec<(u32, Installation)> = places.iter().filter_map(|place| Installation::at(place)).collect();
        let fits = found.iter().filter(|(found, _)| *found >= major && SUPPORTED.contains(found));
        let oldest = fits.min_by_key(|(found, installation)| (*found, Reverse(minor_of(&installation.version))));
        oldest.map(|(_, installation)| installation.clone()).ok_or_else(|| {
            let needs = format!("the dump is loaded into PostgreSQL {major} or newer");
            lacking(needs, major, bindir, &found)
        })
    }

    /// For a person: with its path where it is there; packages keep it out of `PATH`.
    fn word(&self, name: &str) -> String {
        let path = self.program(name);
        if path.is_file() { shell_word(&path.to_string_lossy()) } else { name.to_owned() }
    }

    /// A command for a person. `restart` starts with the same command line again (`read_post_opts` in pg_ctl.c), also a
    /// server that was stopped.
    pub fn pg_ctl(&self, data: &Path, log: &Path, action: &str) -> String {
        let path = |path: &Path| shell_word(&path.to_string_lossy());
        let log = if action == "stop" { String::new() } else { format!(" -l {}", path(log)) };
        format!("{} -D {}{log} {action}", self.word("pg_ctl"), path(data))
    }

    /// A setting of a database beats those that the server was started with, and triggers of a login are the origin's
    /// code.
    pub fn psql(&self, server: &ScratchServer) -> String {
        let quiet = if self.major() >= 17 { "PGOPTIONS='-c event_triggers=off' " } else { "" };
        format!("{quiet}{} {} -d {}", self.word("psql"), server.psql_words(), server.database())
    }

    /// An empty cluster with page checksums.
    pub fn create_cluster(&self, data: &Path) -> Result<()> {
        let mut initdb = self.command("initdb");
        let output = initdb.arg("-D").arg(data).args(INITDB_OPTIONS).output();
        let failed = |reason: &str| Error::new(Code::Io, format!("initdb in {} failed: {reason}", data.display()));
        let output = output.map_err(|error| failed(&error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let cause = said.lines().find(|line| line.starts_with("initdb: error")).or_else(|| said.lines().last());
        Err(failed(cause.unwrap_or("it gave no reason")))
    }

    /// The first number of the version.
    pub fn major(&self) -> u32 {
        major_of(&self.version).unwrap_or(0)
    }

    /// Of one program, for a person.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bindir.join(name)
    }

    /// A program of it, in a directory it can enter, with nothing in its environment that leads elsewhere, and no secret
    /// that was meant for us: what runs in a copy of somebody's database could read it.
    pub(super) fn command(&self, program: &str) -> Command {
        clean_command(&self.bindir.join(program))
    }
}

pub(super) fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("LC_ALL", "C").current_dir("/");
    command
}

/// Of the environment.
const KEPT: [&str; 5] = ["PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH"];

pub(super) fn major_of(version: &str) -> Option<u32> {
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

/// `None` for a version that is not released.
pub fn minor_of(version: &str) -> Option<u32> {
    version.split_once('.')?.1.parse().ok()
}

pub(super) fn usual_places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).filter(|place| place.is_absolute()).collect();
    for (directory, prefix) in PER_MAJOR {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let named = |name: &OsStr| name.to_string_lossy().strip_prefix(prefix).is_some_and(is_number);
        places.extend(entries.filter(|entry| named(&entry.file_name())).map(|entry| entry.path().join("bin")));
    }
    places.push(OWN_BUILD.into());
    places
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn not_found(bindir: Option<&Path>) -> Error {
    let (oldest, newest) = (SUPPORTED.start(), SUPPORTED.end());
    let what = format!("initdb and postgres of PostgreSQL {oldest} to {newest}");
    match bindir {
        Some(bindir) => Error::new(Code::Refused, format!("{what} are not in {}", bindir.display()))
            .hint("leave --bindir out to look in the usual places"),
        None => Error::new(Code::Refused, format!("{what} are neither in PATH nor where packages put them"))
            .hint("--bindir DIR if they are elsewhere, or install them: apt-get install postgresql"),
    }
}

fn no_major(major: u32, bindir: Option<&Path>, found: &[(u32, Installation)]) -> Error {
    lacking(format!("the copy needs PostgreSQL {major} to start"), major, bindir, found)
}

fn lacking(needs: String, major: u32, bindir: Option<&Path>, found: &[(u32, Installation)]) -> Error {
    let there: Vec<&str> = found.iter().map(|(_, installation)| installation.version.as_str()).collect();
    let there = if there.is_empty() { "there is none".to_owned() } else { format!("there is {}", there.join(", ")) };
    let place = bindir
        .map_or_else(|| "in PATH and where packages put it".to_owned(), |bindir| format!("in {}", bindir.display()));
    Error::new(Code::Refused, format!("{needs}; {place} {there}"))
        .hint(format!("apt-get install postgresql-{major}, or --bindir DIR where its initdb and postgres are"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn put(directory: &Path, version: &str) {
        for program in PROGRAMS {
            let path = directory.join(program);
            fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_directory_with_both_programs_is_an_installation() {
        let directory = tempfile::tempdir().unwrap();
        let find = || Installation::find(Some(directory.path()));
        assert_eq!(find().unwrap_err().code, Code::Refused);
        for (said, version) in [("15.14 (Debian 15.14-0+deb12u1)", "15.14"), ("19beta1", "19beta1")] {
            put(directory.path(), said);
            assert_eq!(find().unwrap().version, version);
        }
        put(directory.path(), "9.6.24");
        assert_eq!(find().unwrap_err().code, Code::Refused);
        put(directory.path(), "15.14");
        fs::remove_file(directory.path().join("initdb")).unwrap();
        assert_eq!(find().unwrap_err().code, Code::Refused);
    }
}
