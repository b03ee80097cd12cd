//! `pg_dump` and `pg_dumpall`, whose output is a stream like any other. Their exit status counts before its end does.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::installation::{clean_command, major_of, usual_places};
use super::super::program::Running;
use super::super::reach::Reach;
use super::{Manner, Snapshot, said};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// Bytes that are read at once: what a pipe holds.
const READ: usize = 64 << 10;

const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The programs of PostgreSQL's client side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPrograms {
    bindir: PathBuf,
    pub major: u32,
}

/// How new they must be, and why.
pub struct Need<'n> {
    pub major: u32,
    /// As a person is told.
    pub because: &'n str,
    pub program: &'static str,
}

impl ClientPrograms {
    /// Of the major that is needed, else of the next newer one: an older program refuses.
    pub fn find(need: &Need<'_>, bindir: Option<&Path>) -> Result<ClientPrograms> {
        let Need { major, because, program } = need;
        let places = bindir.map_or_else(usual_places, |bindir| vec![bindir.to_owned()]);
        let found: Vec<ClientPrograms> = places.iter().filter_map(|place| ClientPrograms::at(place)).collect();
        let fits = found.iter().filter(|programs| programs.major >= *major);
        fits.min_by_key(|programs| programs.major).cloned().ok_or_else(|| {
            let there: Vec<String> = found.iter().map(|programs| programs.major.to_string()).collect();
            let there =
                if there.is_empty() { "none was found".to_owned() } else { format!("there is {}", there.join(", ")) };
            let message = format!("{because}, and takes a {program} as new or newer; {there}");
            Error::new(Code::Refused, message)
                .hint(format!("apt-get install postgresql-client-{major}, or --bindir DIR where {program} is"))
        })
    }

    fn at(place: &Path) -> Option<ClientPrograms> {
        let bindir = std::path::absolute(place).ok()?;
        let output = Command::new(bindir.join("pg_dump")).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.strip_prefix("pg_dump (PostgreSQL) ")?.split_whitespace().next()?;
        Some(ClientPrograms { bindir, major: major_of(version)? })
    }

    /// A program that reaches no server.
    pub fn alone(&self, program: &str) -> Command {
        let mut command = clean_command(&self.bindir.join(program));
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// A program that reaches the same server as `server` says, and has no secret of ours beside its password.
    pub fn command(&self, program: &str, server: &Reach, database: &str) -> Command {
        let mut command = self.alone(program);
        command.envs(server.program_environment(database));
        command
    }

    fn pg_dump(&self, server: &Reach, database: &str, snapshot: &Snapshot, manner: Manner) -> Command {
        let mut command = self.command("pg_dump", server, database);
        command.args(["--format=custom", "--compress=0", "--no-password"]);
        command.arg(format!("--snapshot={}", snapshot.id));
        command.arg(format!("--lock-wait-timeout={}", manner.program_wait()));
        command
    }

    /// Everything but rows: what is made before them, and what after.
    pub fn schema(&self, server: &Reach, database: &str, snapshot: &Snapshot, manner: Manner) -> Result<Archive> {
        let mut command = self.pg_dump(server, database, snapshot, manner);
        match manner.schema_only {
            true => command.arg("--schema-only"),
            false => command.args(["--section=pre-data", "--section=post-data"]),
        };
        Archive::start("pg_dump", command)
    }

    /// Rows, sequences and large objects, without those of the large tables.
    pub fn rest(
        &self,
        server: &Reach,
        (database, encoding): (&str, &str),
        snapshot: &Snapshot,
        manner: Manner,
        in_recovery: bool,
    ) -> Result<Archive> {
        let mut command = self.pg_dump(server, database, snapshot, manner);
        // Its arguments are read in it, too, whatever the role's own is. Subscriptions have no rows, and that a role may not
        // read them is told with the schema.
        command.env("PGCLIENTENCODING", encoding).args(["--section=data", "--no-subscriptions"]);
        if in_recovery {
            // A standby has none.
            command.arg("--no-unlogged-table-data");
        }
        for table in &snapshot.tables.large {
            // In quotes nothing is a wildcard.
            let pattern = [b"--exclude-table-data=", table.pattern.as_slice()].concat();
            command.arg(OsStr::from_bytes(&pattern));
        }
        Archive::start("pg_dump", command)
    }

    /// Roles and tablespaces. Only a superuser sees passwords. `--lock-wait-timeout` would be for the `pg_dump` that
    /// `pg_dumpall` runs for each database (`runPgDump` in pg_dumpall.c); its own session takes what libpq is told. Nor does it tell the server that it is ended: a session
    /// that waits has to look (`client_connection_check_interval`).
    pub fn globals(&self, server: &Reach, passwords: bool, manner: Manner) -> Result<Archive> {
        let mut command = self.command("pg_dumpall", server, server.database());
        let own = server.options().map(|options| format!("{options} ")).unwrap_or_default();
        command.env(
            "PGOPTIONS",
            format!("{own}-c client_connection_check_interval=2s -c lock_timeout={}", manner.lock_timeout.as_millis()),
        );
        command.args(["--globals-only", "--no-password"]).arg(format!("--database={}", server.database()));
        if !passwords {
            command.arg("--no-role-passwords");
        }
        Archive::start("pg_dumpall", command)
    }
}

/// A program whose output is read.
pub struct Archive {
    name: &'static str,
    running: Running,
    output: ChildStdout,
    said: File,
}

impl Archive {
    fn start(name: &'static str, mut command: Command) -> Result<Archive> {
        let cannot = |error: std::io::Error| Error::new(Code::Io, format!("{name} cannot be run: {error}"));
        let said = tempfile::tempfile().map_err(cannot)?;
        let errors = said.try_clone().map_err(cannot)?;
        let mut running = Running(command.stdout(Stdio::piped()).stderr(errors).spawn().map_err(cannot)?);
        match running.0.stdout.take() {
            Some(output) => Ok(Archive { name, running, output, said }),
            None => Err(Error::new(Code::Internal, format!("{name} has no output"))),
        }
    }

    /// Hands out all of its output; an error of the program comes after it. Returns what it says that it left out.
    pub fn read(mut self, interrupt: &Interrupt, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<Vec<String>> {
        let cannot =
            |error: std::io::Error| Error::new(Code::Io, format!("the output of a program cannot be read: {error}"));
        let mut buffer = vec![0; READ];
        loop {
            interrupt.check()?;
            let mut ready = [PollFd::new(&self.output, PollFlags::IN)];
            match poll(&mut ready, Some(&TICK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(cannot(error.into())),
            }
            match self.output.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => each(&buffer[..read])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        let status = self.running.wait(interrupt)?;
        match status.success() {
            true => Ok(said::left_out(&mut self.said)),
            false => Err(said::failure(self.name, &mut self.said, &status.to_string())),
        }
    }
}
