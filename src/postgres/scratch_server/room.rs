//! What a scratch server has beside its data: configuration, log, and the directory of its socket, each its owner's
//! alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::model::plan::settings_file::{line, list_element};

/// A socket's path has at most this many bytes (`UNIXSOCK_PATH_BUFLEN`), its name among them.
pub const MAX_ROOM: usize = 107 - "/.s.PGSQL.65535".len();
/// Where the socket lies when the room's own path is too long.
const SHORT_PLACE: &str = "/tmp";
const SHORT_PREFIX: &str = "pgcairn-socket.";
const MODE: u32 = 0o700;

/// Only the operating system's user that started it comes through the socket's directory.
const HBA: &str = "local all all trust\n";
/// Every user of the machine reaches a port: there the passwords of the roles count. `md5` asks for SCRAM where a
/// password is kept so, and takes the older ones too.
const HBA_OF_PORT: &str = "host all all 127.0.0.1/32 md5\n";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    directory: PathBuf,
    socket: PathBuf,
}

impl Room {
    /// Makes the directory, or takes an existing one; what lies above it must be there.
    pub fn make(directory: &Path) -> Result<Room> {
        let cannot = |error: io::Error| {
            Error::new(Code::Io, format!("no server can be made in {}: {error}", directory.display()))
        };
        match DirBuilder::new().mode(MODE).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(cannot(error)),
            _ => fs::set_permissions(directory, fs::Permissions::from_mode(MODE)).map_err(cannot)?,
        }
        // libpq takes a comma for the end of a host.
        let is_usable =
            directory.as_os_str().len() <= MAX_ROOM && !directory.as_os_str().as_encoded_bytes().contains(&b',');
        let socket = match is_usable {
            true => directory.to_owned(),
            false => socket_elsewhere().map_err(cannot)?,
        };
        Ok(Room { directory: directory.to_owned(), socket })
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Where clients find the server.
    pub fn socket_directory(&self) -> &Path {
        &self.socket
    }

    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    pub(super) fn main_file(&self) -> PathBuf {
        self.directory.join("postgresql.conf")
    }

    /// The files that the server begins with. None of them is the origin's, which could lead to the origin's directory.
    pub(super) fn write(&self, data: &Path, with_port: bool) -> io::Result<()> {
        let (hba, ident) = (self.directory.join("pg_hba.conf"), self.directory.join("pg_ident.conf"));
        fs::write(&hba, if with_port { HBA.to_owned() + HBA_OF_PORT } else { HBA.to_owned() })?;
        fs::write(&ident, "")?;
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let text = String::from("# A scratch server of pgcairn; its command line has everything else.\n")
            + &line("data_directory", &path(data))
            + &line("hba_file", &path(&hba))
            + &line("ident_file", &path(&ident));
        fs::write(self.main_file(), text)
    }

    /// As an element of `unix_socket_directories`.
    pub(super) fn socket_setting(&self) -> String {
        list_element(&self.socket.to_string_lossy())
    }

    /// A socket's directory elsewhere goes with the server.
    pub(super) fn tidy(&self) {
        if self.socket != self.directory {
            let _ = fs::remove_dir_all(&self.socket);
        }
    }
}

fn socket_elsewhere() -> io::Result<PathBuf> {
    let private = fs::Permissions::from_mode(MODE);
    Ok(tempfile::Builder::new().prefix(SHORT_PREFIX).permissions(private).tempdir_in(SHORT_PLACE)?.keep())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_would_not_fit_lies_elsewhere() {
        let scratch = tempfile::tempdir().unwrap();
        let near = Room::make(&scratch.path().join("room")).unwrap();
        assert_eq!(near.socket_directory(), near.path());
        assert_eq!(fs::metadata(near.path()).unwrap().permissions().mode() & 0o777, MODE);
        let far = Room::make(&scratch.path().join("x".repeat(100))).unwrap();
        assert!(far.socket_directory().starts_with(SHORT_PLACE));
        assert_eq!(fs::metadata(far.socket_directory()).unwrap().permissions().mode() & 0o777, MODE);
        far.tidy();
        assert!(!far.socket_directory().exists() && far.path().exists());
        near.tidy();
        assert!(near.path().exists());
    }
}
