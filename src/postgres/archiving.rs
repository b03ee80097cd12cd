//! Whether the settings can bring WAL into the repository at all. That it arrives is proven later, by a
//! segment that did.

use std::path::Path;

use super::{ArchiveMode, Connection, Settings};
use crate::model::control_file::WalLevel;
use crate::model::error::{Code, Error, Result};

/// Commands that succeed and keep nothing: with one of them the server throws WAL away.
const DISCARDING: [&str; 6] = ["true", "/bin/true", "/usr/bin/true", ":", "exit 0", "cd ."];

const RELOAD: &str = "SELECT pg_reload_conf()";

/// Refuses settings under which no backup can be completed. `push` is the archive_command to advise.
pub fn check_archiving(connection: &Connection, settings: &Settings, push: &str) -> Result<()> {
    if settings.wal_level == WalLevel::Minimal {
        let message = "wal_level is minimal, and a backup needs replica or logical";
        return Err(refused(message).hint(with_restart(connection, "wal_level", "replica")));
    }
    if settings.archive_mode == ArchiveMode::Off {
        let message = "archive_mode is off, and without it no WAL reaches the repository";
        return Err(refused(message).hint(with_restart(connection, "archive_mode", "on")));
    }
    if !settings.archive_library.is_empty() {
        let message = format!("archive_library is \"{}\", so archive_command is not used", settings.archive_library);
        return Err(refused(message).hint(with_reload(connection, "archive_library", "")));
    }
    match command_defect(&settings.archive_command) {
        Some(defect) => Err(refused(defect).hint(with_reload(connection, "archive_command", push))),
        None => Ok(()),
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Code::ServerSetting, message)
}

fn set(name: &str, value: &str) -> String {
    format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''"))
}

fn with_reload(connection: &Connection, name: &str, value: &str) -> String {
    connection.superuser_command(&[&set(name, value), RELOAD])
}

fn with_restart(connection: &Connection, name: &str, value: &str) -> String {
    format!("{}, then restart the server", connection.superuser_command(&[&set(name, value)]))
}

fn command_defect(command: &str) -> Option<String> {
    let command = command.trim();
    if command.is_empty() {
        return Some("archive_command is empty, so WAL piles up in pg_wal".to_owned());
    }
    if DISCARDING.contains(&command) {
        return Some(format!("archive_command is \"{command}\", which keeps no WAL"));
    }
    let names_file = command.contains("%p") || command.contains("%f");
    (!names_file).then(|| format!("archive_command is \"{command}\" and names no file: %p is missing"))
}

/// Whether `command` calls this program's `wal push`; another one may do so too, through a script.
pub fn calls_push(command: &str) -> bool {
    let mut words = command.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
    let program = |word: &str| Path::new(word).file_name().is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    words.any(program) && {
        let rest: Vec<_> = words.collect();
        rest.windows(2).any(|pair| pair == ["wal", "push"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_keep_nothing() {
        for command in ["", "  ", "true", "/bin/true", ":", "pgcairn wal push"] {
            assert!(command_defect(command).is_some(), "{command}");
        }
        for command in ["pgcairn -c main wal push %p", "test ! -f /a/%f && cp %p /a/%f"] {
            assert_eq!(command_defect(command), None, "{command}");
        }
    }

    #[test]
    fn commands_that_push() {
        for command in
            ["/usr/bin/pgcairn -c main wal push %p", "pgcairn wal push \"%p\"", "nice '/opt/pgcairn' wal push %p"]
        {
            assert!(calls_push(command), "{command}");
        }
        for command in ["cp %p /a/%f", "pgcairn wal fetch %f %p", "notpgcairn wal push %p", "wal push pgcairn"] {
            assert!(!calls_push(command), "{command}");
        }
    }
}
