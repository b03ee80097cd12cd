//! `pg_restore` and `psql`, which are fed what a dump has of their kind.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::dump::{ClientPrograms, said};
use super::super::program::Running;
use super::super::reach::Reach;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// `PIPE_BUF`: where a pipe says that it takes something, it takes this much without waiting.
const AT_ONCE: usize = 4096;

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owners {
    pub no_owner: bool,
    pub no_privileges: bool,
}

impl ClientPrograms {
    fn pg_restore(&self, server: &Reach, database: &str, owners: Owners) -> Command {
        let mut command = self.command("pg_restore", server, database);
        command.args(["--exit-on-error", "--no-password"]).arg(format!("--dbname={}", connection_word(database)));
        if owners.no_owner {
            command.arg("--no-owner");
        }
        if owners.no_privileges {
            command.arg("--no-privileges");
        }
        command
    }

    /// A section out of a file.
    pub fn section(
        &self,
        server: &Reach,
        database: &str,
        owners: Owners,
        (section, jobs): (&str, usize),
        archive: &Path,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let mut command = self.pg_restore(server, database, owners);
        command.arg(format!("--section={section}"));
        if jobs > 1 {
            command.arg(format!("--jobs={jobs}"));
        }
        command.arg(archive);
        Loading::start("pg_restore", command)?.finish(interrupt)
    }

    /// Rows, as they come.
    pub fn rows(&self, server: &Reach, database: &str, owners: Owners) -> Result<Loading> {
        let mut command = self.pg_restore(server, database, owners);
        command.arg("--section=data");
        Loading::start("pg_restore", command)
    }

    /// Roles and tablespaces, of which some may be there.
    pub fn globals_in(&self, server: &Reach) -> Result<Loading> {
        let mut command = self.command("psql", server, server.database());
        command.args(["--no-psqlrc", "--quiet", "--no-password", "--file=-"]);
        Loading::start("psql", command)
    }
}

/// As `--dbname` takes a name that may look like a connection string.
fn connection_word(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A program that is being fed.
pub struct Loading {
    name: &'static str,
    running: Running,
    input: Option<ChildStdin>,
    said: File,
}

impl Loading {
    fn start(name: &'static str, mut command: Command) -> Result<Loading> {
        let cannot = |error: std::io::Error| Error::new(Code::Io, format!("{name} cannot be run: {error}"));
        let said = tempfile::tempfile().map_err(cannot)?;
        let errors = said.try_clone().map_err(cannot)?;
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors);
        let mut running = Running(command.spawn().map_err(cannot)?);
        let input = running.0.stdin.take();
        Ok(Loading { name, running, input, said })
    }

    /// An error of the program shows when it takes no more: its own words come with [`Loading::finish`].
    pub fn feed(&mut self, bytes: &[u8], interrupt: &Interrupt) -> Result<()> {
        for some in bytes.chunks(AT_ONCE) {
            loop {
                interrupt.check()?;
                let Some(input) = &mut self.input else { return Ok(()) };
                let mut ready = [PollFd::new(&*input, PollFlags::OUT)];
                match poll(&mut ready, Some(&TICK)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                    _ => {}
                }
                match input.write_all(some) {
                    Ok(()) => break,
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                        self.input = None;
                        self.end(interrupt)?;
                        return Err(Error::new(Code::Dump, format!("{} ended before it had everything", self.name)));
                    }
                    Err(error) => {
                        return Err(Error::new(Code::Io, format!("{} cannot be fed: {error}", self.name)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The end of what it is fed, and its own.
    pub fn finish(mut self, interrupt: &Interrupt) -> Result<()> {
        self.input = None;
        self.end(interrupt)
    }

    /// The same, of a program whose errors may be none: they come back, a line each.
    pub fn finish_with_words(mut self, interrupt: &Interrupt) -> Result<Vec<String>> {
        self.input = None;
        self.running.wait(interrupt)?;
        let text = said::last(&mut self.said);
        Ok(text.lines().filter(|line| line.contains("ERROR:")).map(str::to_owned).collect())
    }

    fn end(&mut self, interrupt: &Interrupt) -> Result<()> {
        let status = self.running.wait(interrupt)?;
        if status.success() { Ok(()) } else { Err(said::failure(self.name, &mut self.said, &status.to_string())) }
    }
}
