//! What the connected role must be allowed, asked before anything is tried, so that one answer names every
//! grant that is missing.

use super::Connection;
use crate::model::error::{Code, Error, Result};

const READ_SETTINGS: &str = "SELECT pg_has_role('pg_read_all_settings', 'USAGE'), quote_ident(current_user)";

/// Functions of a backup (`system_functions.sql` revokes them from public).
const FUNCTIONS: [&str; 4] =
    ["pg_backup_start(text, boolean)", "pg_backup_stop(boolean)", "pg_create_restore_point(text)", "pg_switch_wal()"];
const FUNCTIONS_14: [&str; 4] = [
    "pg_start_backup(text, boolean, boolean)",
    "pg_stop_backup(boolean, boolean)",
    "pg_create_restore_point(text)",
    "pg_switch_wal()",
];

/// Fails with the GRANT statements that are missing.
pub fn check_rights(connection: &mut Connection) -> Result<()> {
    let row = connection.query_one(READ_SETTINGS, &[])?;
    let reads_settings: bool = connection.column(&row, 0)?;
    let role: String = connection.column(&row, 1)?;
    let mut grants = Vec::new();
    if !reads_settings {
        grants.push(format!("GRANT pg_read_all_settings TO {role}"));
    }
    let functions = missing_functions(connection)?;
    if !functions.is_empty() {
        grants.push(format!("GRANT EXECUTE ON FUNCTION {} TO {role}", functions.join(", ")));
    }
    if grants.is_empty() { Ok(()) } else { Err(missing(connection, &role, &grants)) }
}

fn missing_functions(connection: &mut Connection) -> Result<Vec<&'static str>> {
    let functions = if connection.version().major() >= 15 { FUNCTIONS } else { FUNCTIONS_14 };
    let mut missing = Vec::new();
    for function in functions {
        let row = connection.query_one("SELECT has_function_privilege($1::text, 'EXECUTE')", &[&function])?;
        if !connection.column::<bool>(&row, 0)? {
            missing.push(function);
        }
    }
    Ok(missing)
}

fn missing(connection: &Connection, role: &str, grants: &[String]) -> Error {
    let statements: Vec<&str> = grants.iter().map(String::as_str).collect();
    let message = format!("role {role} lacks: {}", grants.join("; "));
    Error::new(Code::Permission, message).hint(connection.superuser_command(&statements))
}
