//! Everything in one transaction of one session, `psql`'s: what goes wrong, or ends it, has changed nothing. Programs that
//! read archives write their statements to it instead of running them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::super::counted_commit;
use super::super::dump::ClientPrograms;
use super::super::reach::Reach;
use super::copy_in::copy;
use super::programs::{Loading, Owners, use_list};
use crate::model::dump::{Large, TableName};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;

/// Of what `psql` answered.
const MAX_ANSWER: u64 = 64 << 20;

/// Before statements of ours: those of an archive leave others.
const SETTINGS: &str = "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; \
     SET search_path = pg_catalog; SET statement_timeout = 0; SET lock_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0; SET row_security = off; SET client_min_messages = warning;\n";

pub struct LoadTransaction<'p> {
    programs: &'p ClientPrograms,
    server: &'p Reach,
    database: &'p str,
    owners: Owners,
    psql: Loading,
    answer: File,
}

impl<'p> LoadTransaction<'p> {
    pub fn begin(
        programs: &'p ClientPrograms,
        server: &'p Reach,
        database: &'p str,
        owners: Owners,
        interrupt: &Interrupt,
    ) -> Result<LoadTransaction<'p>> {
        let cannot = |error| Error::new(Code::Io, format!("no temporary file can be made: {error}"));
        let answer = tempfile::tempfile().map_err(cannot)?;
        let mut command = programs.command("psql", server, database);
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--no-password",
            "--no-align",
            "--tuples-only",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        let psql = Loading::start_into("psql", command, answer.try_clone().map_err(cannot)?.into())?;
        let mut transaction = LoadTransaction { programs, server, database, owners, psql, answer };
        transaction.psql.feed(b"BEGIN;\n", interrupt)?;
        Ok(transaction)
    }

    /// Statements of ours; what they name is in quotes.
    pub fn run(&mut self, statements: &[String], interrupt: &Interrupt) -> Result<()> {
        if statements.is_empty() {
            return Ok(());
        }
        let text = statements.iter().map(|statement| format!("{statement};\n")).collect::<String>();
        self.psql.feed([SETTINGS, &text].concat().as_bytes(), interrupt)
    }

    /// Those statements of an archive that are in a list, or of one of its sections.
    pub fn archive(&mut self, archive: &Path, list: &Path, section: Option<&str>, interrupt: &Interrupt) -> Result<()> {
        let mut command = self.pg_restore(list);
        command.args(section.map(|section| format!("--section={section}"))).arg(archive);
        let restore = self.start(command)?;
        let ended = restore.finish(interrupt);
        self.whose(ended, interrupt)
    }

    /// Rows of an archive that `feed` hands out for as long as it is told to.
    pub fn stream(
        &mut self,
        list: &Path,
        interrupt: &Interrupt,
        feed: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<bool>) -> Result<()>,
    ) -> Result<()> {
        let mut command = self.pg_restore(list);
        command.arg("--section=data");
        let mut restore = self.start(command)?;
        let fed = feed(&mut |bytes| restore.feed(bytes, interrupt).map(|()| restore.wants_more()));
        let ended = fed.and_then(|()| restore.finish(interrupt));
        self.whose(ended, interrupt)
    }

    /// Rows of a table as `COPY` takes them.
    pub fn rows(
        &mut self,
        table: &Large,
        encoding: &str,
        interrupt: &Interrupt,
        feed: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let copy = format!("{SETTINGS}{};\n", copy(table, encoding));
        self.psql.feed(copy.as_bytes(), interrupt)?;
        feed(&mut |bytes| self.psql.feed(bytes, interrupt))?;
        self.psql.feed(b"\\.\n", interrupt)
    }

    /// Where every table has as many rows as it should; gives what was counted. Otherwise nothing has changed.
    pub fn commit(mut self, expected: &[(TableName, u64)], interrupt: &Interrupt) -> Result<(Vec<u64>, bool)> {
        let tables: Vec<_> = expected.iter().map(|(table, rows)| (table.quoted(), *rows)).collect();
        self.psql.feed(counted_commit::end(&tables).as_bytes(), interrupt)?;
        let mut text = String::new();
        self.psql.finish(interrupt)?;
        let read = self.answer.seek(SeekFrom::Start(0));
        let read = read.and_then(|_| self.answer.take(MAX_ANSWER).read_to_string(&mut text));
        read.map_err(|error| Error::new(Code::Io, format!("what psql said cannot be read: {error}")))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Ok((counted_commit::counted(&lines), counted_commit::is_committed(&lines)))
    }

    /// After a failure: the server is asked to give up at once what it is at.
    pub fn give_up(mut self) {
        self.psql.cancel();
    }

    fn pg_restore(&self, list: &Path) -> std::process::Command {
        let mut command = self.programs.command("pg_restore", self.server, self.database);
        command.arg("--file=-").args(self.owners.options()).args(use_list(Some(list)));
        command
    }

    fn start(&self, command: std::process::Command) -> Result<Loading> {
        let input = self.psql.input().ok_or_else(|| Error::new(Code::Io, "psql cannot be written to"))?;
        Loading::start_into("pg_restore", command, input)
    }

    /// Where `psql` has ended, whoever writes to it only fails for that.
    fn whose(&mut self, ended: Result<()>, interrupt: &Interrupt) -> Result<()> {
        match ended {
            Err(error) if error.code == Code::Dump => self.psql.feed(b"\n", interrupt).and(Err(error)),
            ended => ended,
        }
    }
}
