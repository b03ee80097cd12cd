//! Sessions of ours last as long as what they read or load: no timeout of the server's ends them, whatever it or a role
//! has been told.

use super::connection::ServerVersion;

const NONE: &str = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0";
const NONE_17: &str = "SET transaction_timeout = 0";

/// Statements that put all of them out of the way.
pub(super) fn none(version: ServerVersion) -> String {
    if version.major() >= 17 { format!("{NONE}; {NONE_17}") } else { NONE.to_owned() }
}
