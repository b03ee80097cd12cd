//! What the server or the connection to it said, as an error of ours: told apart by SQLSTATE, never by
//! text.

use std::error::Error as _;
use std::fmt;
use std::io;

use ::postgres::error::SqlState;

use super::connection::Address;
use crate::model::error::{Code, Error};

/// The cause alone, once.
pub struct Failure<'a>(pub &'a ::postgres::Error);

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_db_error(), self.0.source()) {
            (Some(said), _) => f.write_str(said.message()),
            (None, Some(source)) => write!(f, "{source}"),
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

/// No session came about.
pub(super) fn unreachable(error: &::postgres::Error, address: &Address) -> Error {
    let (cause, options) = (Failure(error), address.options());
    match error.code().map(|state| (state, class(state))) {
        Some((_, "28")) | Some((&SqlState::INSUFFICIENT_PRIVILEGE, _)) => {
            let message = format!("the server at {address} refuses the connection: {cause}");
            Error::new(Code::Permission, message)
                .hint(format!("psql {options} -U postgres -c 'TABLE pg_hba_file_rules'"))
        }
        Some((&SqlState::INVALID_CATALOG_NAME, _)) => {
            let message = format!("the server at {address} refuses the connection: {cause}");
            Error::new(Code::ConfigValue, message).hint(format!("psql {options} -l"))
        }
        _ => {
            let message = format!("the server at {address} cannot be reached: {cause}");
            Error::new(Code::Unreachable, message).hint(format!("pg_isready {options}"))
        }
    }
}

/// A statement of an established session failed.
pub(super) fn failed(error: &::postgres::Error, address: &Address) -> Error {
    let (cause, options) = (Failure(error), address.options());
    if error.is_closed() || is_broken(error) || error.code().is_some_and(ends_session) {
        // Whatever the socket says, a pipe that is broken or closed: why it ended, only the server knows.
        let said = error.as_db_error().map(|said| format!(": {}", said.message())).unwrap_or_default();
        let message = format!("the server at {address} ended the session{said}");
        return Error::new(Code::Unreachable, message)
            .hint(format!("pg_isready {options}   # the server's log says why it ended"));
    }
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::new(Code::Permission, format!("the server says: {cause}"))
            .hint(format!("grant what it names to the role of the configuration: psql {options} -U postgres")),
        Some(_) => with_hint_of_server(error, Error::new(Code::BackupSession, format!("the server says: {cause}"))),
        None => Error::new(Code::Internal, format!("the server's answer is not as expected: {error}: {cause}")),
    }
}

fn with_hint_of_server(error: &::postgres::Error, ours: Error) -> Error {
    match error.as_db_error().and_then(|said| said.hint()) {
        Some(hint) => ours.hint(hint),
        None => ours.hint("the server's log says more; then run the same command again"),
    }
}

/// The socket failed; an answer that cannot be parsed is another matter.
fn is_broken(error: &::postgres::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() != io::ErrorKind::InvalidData)
}

fn class(state: &SqlState) -> &str {
    state.code().get(..2).unwrap_or_default()
}

/// Connection exceptions, and what an administrator, a shutdown or a crash sends before it hangs up.
fn ends_session(state: &SqlState) -> bool {
    class(state) == "08"
        || [&SqlState::ADMIN_SHUTDOWN, &SqlState::CRASH_SHUTDOWN, &SqlState::IDLE_SESSION_TIMEOUT].contains(&state)
}
