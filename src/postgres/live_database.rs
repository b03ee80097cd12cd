//! A database of somebody's server, reached as PostgreSQL's own programs reach it. Everything goes through `psql`, which asks nobody and reads no file of its own.

use std::fs::File;
use std::io::{PipeWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::thread;

use rustix::process::Signal;

use super::Installation;
use super::dump::said as server_said;
use super::endpoint::program_environment;
use super::parameters::Parameters;
use super::program::{Program, Running};
use crate::model::connection_string::ConnectionString;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// Nobody is there to be asked, and what comes back is for us.
const OPTIONS: [&str; 8] = [
    "--no-psqlrc",
    "--no-password",
    "--quiet",
    "--no-align",
    "--tuples-only",
    "--set=ON_ERROR_STOP=1",
    // With its state an error is known in any language.
    "--set=VERBOSITY=verbose",
    "--set=SHOW_CONTEXT=never",
];
/// Ours before anything is asked: a function of somebody's in a schema of the database is not what our names mean.
const SETTINGS: &str = "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET search_path = pg_catalog; \
     SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;\n";

/// `psql` lost the server (`EXIT_BADCONN` in `settings.h`).
const LOST: i32 = 2;
/// Read of what a program said.
const MAX_SAID: u64 = 16 * 1024 * 1024;

pub struct LiveDatabase<'a> {
    pub installation: &'a Installation,
    pub connection: &'a ConnectionString,
    /// Where the connection says none.
    pub database: &'a str,
}

/// What is done in one session: `before`, what a program writes, and, where that has ended well, `after`.
pub struct Script {
    pub before: String,
    pub after: String,
}

impl LiveDatabase<'_> {
    /// Lines of answers.
    pub fn ask(&self, statements: &str, interrupt: &Interrupt) -> Result<Vec<String>> {
        let mut session = self.open()?;
        session.feed(&[SETTINGS, statements].concat(), interrupt)
    }

    /// The output of `program` is what the session is told. Nothing of `after` is said unless the program ended well, so a
    /// transaction that `before` begins and `after` commits is all or nothing.
    pub fn load(&self, program: &mut Program, script: &Script, interrupt: &Interrupt) -> Result<Vec<String>> {
        let mut session = self.open()?;
        session.write(&[SETTINGS, &script.before].concat());
        let mut said = temporary()?;
        let input = session.input.as_ref().and_then(|input| input.try_clone().ok());
        let input = input.ok_or_else(|| Error::new(Code::Io, "psql cannot be written to"))?;
        let status = program.start(input.into(), duplicate(&said)?.into())?.wait(interrupt);
        let status = status.inspect_err(|_| session.give_up())?;
        if status.success() {
            return session.feed(&script.after, interrupt);
        }
        let cause = Error::new(Code::Io, format!("{} failed: {}", program.name(), cause(&read(&mut said)?, status)));
        // Where nobody read what it wrote, whoever should have knows why.
        let is_broken_pipe = status.signal() == Some(Signal::PIPE.as_raw());
        let ended = session.feed("", interrupt);
        Err(ended.err().filter(|_| is_broken_pipe).unwrap_or(cause))
    }

    fn open(&self) -> Result<Session> {
        let cannot = |error| Error::new(Code::Io, format!("psql cannot be run: {error}"));
        let (output, said) = (temporary()?, temporary()?);
        let (reader, input) = std::io::pipe().map_err(cannot)?;
        let mut command = self.command()?;
        command.stdin(reader).stdout(duplicate(&output)?).stderr(duplicate(&said)?);
        let running = Running(command.spawn().map_err(cannot)?);
        Ok(Session { running, input: Some(input), output, said })
    }

    fn command(&self) -> Result<Command> {
        let parameters = Parameters::of(self.connection)?;
        let mut command = self.installation.command("psql");
        command.envs(program_environment(&parameters, self.database)?).process_group(0).args(OPTIONS);
        Ok(command)
    }
}

/// A `psql` at work.
struct Session {
    running: Running,
    input: Option<PipeWriter>,
    output: File,
    said: File,
}

impl Session {
    /// What ends early says why by its end.
    fn write(&mut self, text: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(text.as_bytes());
        }
    }

    /// The last that it is told; what it answered to everything.
    fn feed(&mut self, text: &str, interrupt: &Interrupt) -> Result<Vec<String>> {
        let input = self.input.take();
        let ended = thread::scope(|scope| {
            // It may be busy for long before it reads on.
            scope.spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
            self.running.wait(interrupt).inspect_err(|_| self.running.cancel())
        });
        let status = ended?;
        if status.success() {
            return Ok(read(&mut self.output)?.lines().map(str::to_owned).collect());
        }
        let cause = cause(&read(&mut self.said)?, status);
        let lost = status.code() == Some(LOST);
        Err(match lost {
            true => Error::new(Code::Unreachable, format!("no session with the live server: {cause}")),
            false => Error::new(Code::TableLoad, format!("the live server says: {cause}")),
        })
    }

    fn give_up(&mut self) {
        self.input = None;
        self.running.cancel();
    }
}

/// The line that tells the reason, without the place in our script.
fn cause(said: &str, status: ExitStatus) -> String {
    if let Some(error) = server_said::errors(said).pop() {
        return error.message;
    }
    let told = ["ERROR:  ", "FATAL:  ", "error: "].iter().find_map(|mark| said.split_once(mark));
    match (told, said.lines().last()) {
        (Some((_, cause)), _) => cause.lines().next().unwrap_or_default().to_owned(),
        (None, Some(last)) => last.to_owned(),
        (None, None) => format!("it ended with {status}"),
    }
}

/// Without a name: nobody else reads it, and it goes with us.
fn temporary() -> Result<File> {
    tempfile::tempfile().map_err(|error| Error::new(Code::Io, format!("no temporary file can be made: {error}")))
}

fn duplicate(file: &File) -> Result<File> {
    file.try_clone().map_err(|error| Error::new(Code::Io, format!("no temporary file can be made: {error}")))
}

fn read(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(MAX_SAID).read_to_end(&mut bytes));
    read.map_err(|error| Error::new(Code::Io, format!("what psql said cannot be read: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
