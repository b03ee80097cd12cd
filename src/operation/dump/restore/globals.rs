//! Roles and tablespaces of a dump: those that the server has not.

use super::{Work, tablespaces};
use crate::model::dump::globals_script::{GlobalsScript, Subject, TooLong};
use crate::model::dump::{Contents, Globals};
use crate::model::error::{Code, Error, Result};
use crate::postgres::Connection;
use crate::report::dump_restore::RestoredGlobals;

/// `duplicate_object`: made by somebody else since we have looked.
const IS_THERE: &str = "42710";

pub fn of(contents: &Contents) -> Result<&Globals> {
    contents.globals.as_ref().ok_or_else(|| Error::new(Code::NotFound, "the dump has no roles"))
}

impl From<TooLong> for Error {
    fn from(error: TooLong) -> Error {
        Error::new(Code::Damaged, format!("what the dump has of roles is not by pg_dumpall: {error}"))
    }
}

impl Work<'_> {
    /// One that is refused fails nothing: databases that need it say so themselves.
    pub(super) fn globals(&self, server: &mut Connection, globals: &Globals, told: &mut RestoredGlobals) -> Result<()> {
        let mut script = GlobalsScript::new(server.roles_and_tablespaces()?);
        let mut psql = self.programs.globals_in(&self.reach)?;
        let interrupt = &self.context.interrupt;
        let mut feed = |bytes: &[u8]| script.feed(bytes, |statement| psql.feed(statement, interrupt));
        match self.tablespaces_below {
            None => self.streams.read(&globals.stream, &mut feed)?,
            Some(directory) => feed(&tablespaces::read(self.streams, &globals.stream, directory)?)?,
        }
        script.finish(|rest| psql.feed(rest, interrupt))?;
        for error in psql.finish_with_errors(interrupt)?.into_iter().filter(|error| error.state != IS_THERE) {
            let message = format!("a role or tablespace is not as in the dump: the server says: {}", error.message);
            let hint =
                "restore as a superuser, or make it by hand: pg_dumpall --globals-only of the other server shows it";
            self.listener.warning(Error::new(Code::Flagged, message).hint(hint));
        }
        for subject in script.met {
            match subject {
                Subject::Role(name) => told.kept_roles.push(name),
                Subject::Tablespace(name) => told.kept_tablespaces.push(name),
            }
        }
        Ok(())
    }
}
