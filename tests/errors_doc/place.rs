//! A scratch directory in which pgcairn is run.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::table::Refusal;

/// A recipient; nobody has its identity.
pub const RECIPIENT: &str = "age15w6sa4sau9qptrpzrh3df55y2zc7vahmwnqzqmwqfa3regzpa94s3w6kny";

pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("data")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A complete configuration, with `more` put before it.
    pub fn configure(&self, more: &str) {
        self.configure_with(more, &format!("recipients = [\"{RECIPIENT}\"]"));
    }

    pub fn configure_with(&self, more: &str, encryption: &str) {
        let (data, repository) = (self.path("data"), self.shown("repo"));
        self.write(
            "main.toml",
            &format!(
                "{more}[postgres]\ndata_dir = {data:?}\n[encryption]\n{encryption}\n\
                 [[repository]]\nname = \"local\"\nurl = \"file://{repository}\"\n"
            ),
        );
    }

    /// pgcairn with this place's configuration and nothing of this machine's.
    pub fn pgcairn(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgcairn"));
        command.env_clear().env("TZ", "UTC").env("PGCAIRN_CONFIG", self.path("main.toml"));
        command.env("STATE_DIRECTORY", self.path("host-state"));
        command.current_dir(self.directory.path());
        command
    }

    /// The same with variables in its environment.
    pub fn refused_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Refusal {
        let output = self.command().envs(environment.iter().copied()).args(arguments).arg("--json").output().unwrap();
        self.refusal(&output)
    }

    pub fn refused(&self, arguments: &[&str]) -> Refusal {
        self.refused_words(&arguments.iter().map(OsStr::new).collect::<Vec<_>>())
    }

    /// The same with words that need not be text.
    pub fn refused_words(&self, arguments: &[&OsStr]) -> Refusal {
        self.refusal(&self.pgcairn(&[arguments, &[OsStr::new("--json")]].concat()))
    }

    fn refusal(&self, output: &Output) -> Refusal {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let refusal = Refusal::of(&stdout, output.status.code().unwrap_or(-1), &self.names());
        refusal.unwrap_or_else(|| panic!("not refused: {output:?}"))
    }

    /// Where the document says things are.
    pub fn names(&self) -> Vec<(String, &'static str)> {
        vec![
            (self.shown("main.toml"), "/etc/pgcairn/main.toml"),
            (self.shown("repo"), "/var/backups/pgcairn"),
            (self.shown("data"), "/var/lib/postgresql/18/main"),
            (self.directory.path().display().to_string(), "/srv"),
        ]
    }

    pub fn works(&self, arguments: &[&str]) {
        let output = self.pgcairn(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
