//! Running the built program, and its words with everything taken out that differs between two runs.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory of one test, with a configuration that leads nowhere outside it.
pub struct Place {
    directory: tempfile::TempDir,
}

/// What a run left.
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// As a snapshot shows it.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => writeln!(f, "exit {status}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        for (stream, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {stream}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// This machine's own is looked into by others.
pub const STATE_VARIABLE: &str = "STATE_DIRECTORY";

pub const NOBODY: u32 = 65534;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Place {
    /// Readable by every user, so that the program may become another one.
    pub fn new() -> Place {
        let directory = tempfile::Builder::new().prefix("pgcairn-cli").tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory.path(), mode).unwrap();
        Place { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text.replace("DIR", self.directory.path().to_str().unwrap())).unwrap();
        self.path(name)
    }

    pub fn make_directory(&self, name: &str) -> PathBuf {
        fs::create_dir(self.path(name)).unwrap();
        self.path(name)
    }

    /// `main.toml` with a data directory that belongs to whoever runs the test.
    pub fn with_config() -> Place {
        let place = Place::new();
        place.make_directory("data");
        place.write("main.toml", CONFIG);
        place
    }

    pub fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_pgcairn"))
    }

    /// The same for a program that calls it.
    pub fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["PGCAIRN_CONFIG", "PGCAIRN_IDENTITY", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(name);
        }
        command.current_dir(self.directory.path()).stdin(Stdio::null()).env("TZ", "Europe/Berlin");
        command.env(STATE_VARIABLE, self.path("host-state"));
        command
    }

    pub fn run(&self, words: &[&str]) -> Run {
        self.finish(self.command().args(words))
    }

    pub fn run_as(&self, uid: u32, words: &[&str]) -> Run {
        // The build directory may be closed to other users.
        let program = self.path("pgcairn");
        if !program.exists() {
            // By a process of its own: a child of another test could hold our writing end, and the text be busy.
            let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_pgcairn")).arg(&program).status();
            assert!(copied.unwrap().success());
        }
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).stdin(Stdio::null()).uid(uid).gid(uid);
        command.env(STATE_VARIABLE, self.path("host-state"));
        self.finish(command.args(words))
    }

    /// Runs it, and takes the name of the directory out of its words.
    pub fn finish(&self, command: &mut Command) -> Run {
        let output = command.output().unwrap();
        let own = self.directory.path().to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(own, "DIR");
        Run { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// A configuration with this text in it, checked.
    pub fn check(&self, text: &str) -> Run {
        self.write("main.toml", text);
        self.run(&["-c", "main.toml", "config", "check"])
    }
}

pub const CONFIG: &str = "\
[postgres]
data_dir = \"DIR/data\"

[encryption]
recipients = [\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]

[[repository]]
name = \"local\"
url = \"file://DIR/repository\"
";

pub fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o7777
}
