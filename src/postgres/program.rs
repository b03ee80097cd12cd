//! One of the server's programs, run to its end.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Installation;
use super::scratch_server::session_options;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// Read of what it said; the rest stays in the file.
const MAX_OUTPUT: u64 = 64 * 1024;
const POLL: Duration = Duration::from_millis(20);
/// For the server to give up what it is at when we are told to end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

pub struct Program {
    name: String,
    command: Command,
}

/// How it ended, and the beginning of what it said.
pub struct Ended {
    pub success: bool,
    pub lines: Vec<String>,
}

impl Ended {
    /// What it complains of.
    pub fn reason(&self) -> String {
        let complaint = self.lines.iter().find_map(|line| line.split_once("error: ").map(|(_, what)| what));
        complaint.or(self.lines.last().map(String::as_str)).unwrap_or_default().to_owned()
    }
}

impl Program {
    pub fn new(installation: &Installation, name: &str) -> Program {
        let mut command = installation.command(name);
        command.env("PGOPTIONS", session_options(installation.major())).stdin(Stdio::null()).process_group(0);
        Program { name: name.to_owned(), command }
    }

    pub fn argument(&mut self, argument: impl Into<OsString>) -> &mut Program {
        self.command.arg(argument.into());
        self
    }

    pub fn arguments(&mut self, arguments: impl IntoIterator<Item = OsString>) -> &mut Program {
        self.command.args(arguments);
        self
    }

    /// Started, with its standard output and error there.
    pub(super) fn start(&mut self, output: Stdio, error: Stdio) -> Result<Running> {
        let cannot = |error| Error::new(Code::Io, format!("{} cannot be run: {error}", self.name));
        let started = self.command.stdout(output).stderr(error).spawn().map(Running).map_err(cannot);
        // Ours would keep a pipe open after the program has ended.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        started
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it says goes into `output`, a new file. An interrupt ends it.
    pub fn run(&mut self, output: &Path, interrupt: &Interrupt) -> Result<Ended> {
        let name = self.name.clone();
        let cannot = |error: std::io::Error| Error::new(Code::Io, format!("{name} cannot be run: {error}"));
        let file = File::create(output).map_err(cannot)?;
        let standard_error = file.try_clone().map_err(cannot)?;
        let mut running = self.start(file.into(), standard_error.into())?;
        let status = running.wait(interrupt)?;
        let mut said = Vec::new();
        File::open(output).and_then(|file| file.take(MAX_OUTPUT).read_to_end(&mut said)).map_err(cannot)?;
        let text = String::from_utf8_lossy(&said).into_owned();
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned);
        let mut lines: Vec<String> = lines.collect();
        if lines.is_empty() && !status.success() {
            lines.push(format!("{} ended with {status}", self.name));
        }
        Ok(Ended { success: status.success(), lines })
    }
}

/// Nothing goes on after us.
pub(super) struct Running(pub(super) Child);

impl Running {
    pub(super) fn wait(&mut self, interrupt: &Interrupt) -> Result<ExitStatus> {
        let cannot = |error| Error::new(Code::Io, format!("a program cannot be waited for: {error}"));
        loop {
            if let Some(status) = self.0.try_wait().map_err(cannot)? {
                return Ok(status);
            }
            interrupt.check()?;
            thread::sleep(POLL);
        }
    }

    /// At a SIGINT `psql` asks the server to end the statement, and then ends itself, which undoes what is not committed.
    pub(super) fn cancel(&mut self) {
        let child = &mut self.0;
        if child.try_wait().ok().flatten().is_none() {
            let _ = kill_process(Pid::from_child(child), Signal::INT);
        }
        let since = Instant::now();
        while since.elapsed() < CANCEL_TIMEOUT && child.try_wait().ok().flatten().is_none() {
            thread::sleep(POLL);
        }
        // Whoever still writes to it is let go.
        let _ = child.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().ok().flatten().is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> (tempfile::TempDir, Program) {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        (directory, Program { name: "sh".to_owned(), command })
    }

    #[test]
    fn what_it_says_and_how_it_ends() {
        let (directory, mut sh) = program("echo one; echo two >&2; exit 2");
        let ended = sh.run(&directory.path().join("log"), &Interrupt::default()).unwrap();
        assert!(!ended.success);
        assert_eq!(ended.lines, ["one", "two"]);
        let (directory, mut sh) = program("exit 3");
        let ended = sh.run(&directory.path().join("log"), &Interrupt::default()).unwrap();
        assert_eq!(ended.lines, ["sh ended with exit status: 3"]);
        let (directory, mut sh) = program("yes");
        let interrupt = Interrupt::default();
        interrupt.raise();
        assert_eq!(sh.run(&directory.path().join("log"), &interrupt).err().unwrap().code, Code::Interrupted);
        assert!(directory.path().join("log").exists());
    }
}
