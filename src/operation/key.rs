//! `key generate`: a new identity in a file of its own.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::codec::generate_identity;
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::report::key::GeneratedKey;
use crate::sink::sync_directory;

/// Readable by nobody else.
const IDENTITY_MODE: u32 = 0o600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub output: PathBuf,
}

/// Makes the file durable before it tells the recipient: backups to a lost key are lost too.
pub fn run(request: &Request, now: Timestamp) -> Result<GeneratedKey> {
    let (secret, recipient) = generate_identity();
    let recipient = recipient.to_string();
    let head = format!("# created: {}\n# public key: {recipient}\n", now.strftime("%Y-%m-%dT%H:%M:%SZ"));
    write(&request.output, &[head.as_bytes(), secret.expose_secret().as_bytes(), b"\n"])
        .map_err(|error| cannot_write(&request.output, &error))?;
    let next = "pgcairn init   # on the database host, with the recipient in its configuration".to_owned();
    Ok(GeneratedKey { recipient, identity_file: request.output.clone(), next })
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(IDENTITY_MODE).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    sync_directory(path.parent().unwrap_or(path))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(
            Code::Conflict,
            format!("{shown} exists and is not overwritten: it may be the only key to backups"),
        )
        .hint("pgcairn key generate --output ANOTHER_FILE"),
        io::ErrorKind::PermissionDenied => Error::new(Code::Permission, format!("{shown} cannot be written: {error}"))
            .hint(format!(
                "choose a directory of your own: pgcairn key generate --output ~/{}",
                shell_word("pgcairn-identity.txt")
            )),
        io::ErrorKind::NotFound => Error::new(Code::Io, format!("{shown} cannot be written: {error}"))
            .hint(format!("mkdir -p {}", shell_word(&path.parent().unwrap_or(path).to_string_lossy()))),
        _ => Error::new(Code::Io, format!("{shown} cannot be written: {error}"))
            .hint("pgcairn key generate --output ANOTHER_FILE"),
    }
}
