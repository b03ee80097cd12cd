//! `pg_restore` and `psql`, which are fed what a dump has of their kind.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::dump::ClientPrograms;
use super::super::dump::said::{self, ServerError};
use super::super::program::Running;
use super::super::reach::Reach;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// `PIPE_BUF`: where a pipe says that it takes something, it takes this much without waiting.
const AT_ONCE: usize = 4096;

/// `psql` lost the server (`EXIT_BADCONN` in `settings.h`).
const LOST: i32 = 2;

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owners {
    pub no_owner: bool,
    pub no_privileges: bool,
    pub no_tablespaces: bool,
}

/// Of an archive.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    pub name: &'static str,
    pub jobs: usize,
    /// Some of it is there, and dropped before it is made.
    pub is_begun: bool,
}

impl ClientPrograms {
    fn pg_restore(&self, server: &Reach, database: &str, owners: Owners) -> Command {
        let mut command = self.command("pg_restore", server, database);
        command.args(["--exit-on-error", "--no-password"]).arg(format!("--dbname={}", connection_word(database)));
        command.args(owners.options());
        command
    }

    /// A section out of a file, or those of its statements that are in a list.
    pub fn section(
        &self,
        server: &Reach,
        database: &str,
        owners: Owners,
        section: Section,
        (archive, list): (&Path, Option<&Path>),
        interrupt: &Interrupt,
    ) -> Result<()> {
        let mut command = self.pg_restore(server, database, owners);
        command.arg(format!("--section={}", section.name)).args(use_list(list));
        if section.jobs > 1 {
            command.arg(format!("--jobs={}", section.jobs));
        }
        if section.is_begun {
            command.args(["--clean", "--if-exists"]);
        }
        command.arg(archive);
        Loading::start("pg_restore", command)?.finish(interrupt)
    }

    /// Rows, as they come: all, or those in a list.
    pub fn rows(&self, server: &Reach, database: &str, owners: Owners, list: Option<&Path>) -> Result<Loading> {
        let mut command = self.pg_restore(server, database, owners);
        command.arg("--section=data").args(use_list(list));
        Loading::start("pg_restore", command)
    }

    /// The extensions that an archive makes; `said` is a new file.
    pub fn extensions_in(&self, archive: &Path, said: &Path, interrupt: &Interrupt) -> Result<Vec<String>> {
        let cannot = |error: std::io::Error| Error::new(Code::Io, format!("pg_restore cannot be run: {error}"));
        let mut command = self.alone("pg_restore");
        let output = File::create(said).map_err(cannot)?;
        let errors = tempfile::tempfile().map_err(cannot)?;
        command.arg("--list").arg(archive).stdout(output).stderr(errors.try_clone().map_err(cannot)?);
        let status = Running(command.spawn().map_err(cannot)?).wait(interrupt)?;
        if !status.success() {
            return Err(said::failure("pg_restore", &mut { errors }, &status.to_string()));
        }
        let list = std::fs::read(said).map_err(cannot)?;
        Ok(String::from_utf8_lossy(&list).lines().filter_map(extension).map(str::to_owned).collect())
    }

    /// Roles and tablespaces, of which each by itself may be refused.
    pub fn globals_in(&self, server: &Reach) -> Result<Loading> {
        let mut command = self.command("psql", server, server.database());
        command.args(["--no-psqlrc", "--quiet", "--no-password", "--set=VERBOSITY=verbose", "--file=-"]);
        Loading::start("psql", command)
    }
}

/// `3; 3079 16385 EXTENSION - hstore `, as `PrintTOCSummary` in pg_backup_archiver.c writes it.
fn extension(line: &str) -> Option<&str> {
    line.split_once(" EXTENSION - ")
        .filter(|(before, _)| before.starts_with(|c: char| c.is_ascii_digit()))
        .map(|(_, name)| name.trim_end())
}

impl Owners {
    pub(super) fn options(self) -> Vec<&'static str> {
        let all = [
            (self.no_owner, "--no-owner"),
            (self.no_privileges, "--no-privileges"),
            (self.no_tablespaces, "--no-tablespaces"),
        ];
        all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, option)| option).collect()
    }
}

pub(super) fn use_list(list: Option<&Path>) -> Option<OsString> {
    list.map(|list| {
        let mut option = OsString::from("--use-list=");
        option.push(list);
        option
    })
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
    fn start(name: &'static str, command: Command) -> Result<Loading> {
        Loading::start_into(name, command, Stdio::null())
    }

    pub(super) fn start_into(name: &'static str, mut command: Command, output: Stdio) -> Result<Loading> {
        let cannot = |error: std::io::Error| Error::new(Code::Io, format!("{name} cannot be run: {error}"));
        let said = tempfile::tempfile().map_err(cannot)?;
        let errors = said.try_clone().map_err(cannot)?;
        command.stdin(Stdio::piped()).stdout(output).stderr(errors);
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
                        if self.name == "pg_restore" {
                            return Ok(());
                        }
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

    /// Of an archive the program reads no more than it needs.
    pub fn wants_more(&self) -> bool {
        self.input.is_some()
    }

    /// The end of what it is fed, and its own.
    pub fn finish(mut self, interrupt: &Interrupt) -> Result<()> {
        self.input = None;
        self.end(interrupt)
    }

    /// The same, of a `psql` that goes on after an error of the server: these come back.
    pub fn finish_with_errors(mut self, interrupt: &Interrupt) -> Result<Vec<ServerError>> {
        self.input = None;
        self.end(interrupt)?;
        Ok(said::errors(&said::last(&mut self.said)))
    }

    /// Another end of what it is fed by.
    pub(super) fn input(&self) -> Option<Stdio> {
        self.input.as_ref().and_then(|input| input.as_fd().try_clone_to_owned().ok()).map(Stdio::from)
    }

    pub(super) fn cancel(&mut self) {
        self.input = None;
        self.running.cancel();
    }

    fn end(&mut self, interrupt: &Interrupt) -> Result<()> {
        let status = self.running.wait(interrupt)?;
        if status.success() {
            return Ok(());
        }
        let failure = said::failure(self.name, &mut self.said, &status.to_string());
        let is_lost = self.name == "psql" && status.code() == Some(LOST);
        Err(if is_lost { Error { code: Code::Unreachable, ..failure } } else { failure })
    }
}
