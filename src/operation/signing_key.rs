//! The key of this host: made by `init`, used by `backup`, and trusted where this host restores what it made.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

use secrecy::ExposeSecret;

use super::failure::cannot;
use crate::config::{Config, signing};
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::model::signature::{PublicKey, SigningKey};
use crate::report::check::Finding;
use crate::sink::sync_directory;

/// Readable by nobody else.
const KEY_MODE: u32 = 0o600;

const SUBJECT: &str = "signing key";

/// Makes the key, durable when it returns; one that is there stays. Root makes it for its `owner`, a user and a group.
pub fn create(file: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    match write(file, owner) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        written => written.map_err(|error| not_made(file, error)),
    }
}

fn write(file: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let key = SigningKey::from_seed(rand::random());
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(KEY_MODE).open(file)?;
    if let Some((user, group)) = owner {
        fchown(&opened, Some(user), Some(group))?;
    }
    opened.write_all(key.to_pem().expose_secret().as_bytes())?;
    opened.sync_all()?;
    sync_directory(file.parent().unwrap_or(file))
}

fn not_made(file: &Path, error: io::Error) -> Error {
    let hint = match (error.kind(), file.parent()) {
        (ErrorKind::NotFound, Some(parent)) => format!("mkdir -p {}", shell_word(&parent.to_string_lossy())),
        (ErrorKind::PermissionDenied, _) => "sudo pgcairn init".to_owned(),
        _ => "name another file in the configuration: key = { file = \"/path\" } under [signing]".to_owned(),
    };
    cannot("make the signing key", file.display(), error).hint(hint)
}

/// What `backup` signs with. A key that is configured must be there; without one backups are not signed.
pub fn read(config: &Config) -> Result<Option<SigningKey>> {
    let Some(file) = config.signing_key_file() else { return Ok(None) };
    match signing::read(&file)? {
        None if config.signing.key.is_some() => {
            let message = format!("signing key {} is configured and is not there", file.display());
            Err(Error::new(Code::SigningKey, message)
                .hint("put it back from a copy, or make another one: pgcairn init"))
        }
        key => Ok(key),
    }
}

/// Whose backups are restored here: those of the keys that were pinned, and of this host.
pub fn trusted(config: &Config) -> Result<Vec<PublicKey>> {
    let own = config.signing_key_file().map(|file| signing::read(&file)).transpose()?.flatten();
    Ok(config.signing.trusted.iter().copied().chain(own.map(|key| key.public())).collect())
}

/// The same for somebody who need not be the owner of this host's key: where its public half was pinned, nothing has to
/// be read.
pub fn trusted_by_anyone(config: &Config) -> Result<Vec<PublicKey>> {
    let pinned = &config.signing.trusted;
    let refused = |file: &std::path::PathBuf| File::open(file).is_err_and(|e| e.kind() == ErrorKind::PermissionDenied);
    match trusted(config) {
        Err(_) if !pinned.is_empty() => Ok(pinned.clone()),
        Err(error) if config.signing_key_file().as_ref().is_some_and(refused) => {
            Err(error.hint("say whose backups count, as init prints it: trusted = [\"ed25519:…\"] under [signing]"))
        }
        trusted => trusted,
    }
}

/// For `init`: the key is there when it returns, or a finding says why not.
pub fn ensure(config: &Config) -> (Option<PublicKey>, Finding) {
    let Some(file) = config.signing_key_file() else { return (None, missing()) };
    match create(&file, None).and_then(|()| read(config)) {
        Ok(key) => (key.as_ref().map(SigningKey::public), finding(key)),
        // A place that nobody chose; backups go on without.
        Err(error) if error.code == Code::Permission && config.signing.key.is_none() => {
            let hint = error.hint.unwrap_or_default();
            (None, Finding::advice(SUBJECT, format!("backups will not be signed: {}", error.message), hint))
        }
        Err(error) => (None, Finding::fail(SUBJECT, error)),
    }
}

/// For `check`.
pub fn inspect(config: &Config) -> Finding {
    read(config).map_or_else(|error| Finding::fail(SUBJECT, error), finding)
}

fn finding(key: Option<SigningKey>) -> Finding {
    key.map_or_else(missing, |key| Finding::pass(SUBJECT, key.public().to_string()))
}

fn missing() -> Finding {
    Finding::advice(
        SUBJECT,
        "there is none: backups are not signed, and whoever may write to the repository can make one up",
        "sudo pgcairn init",
    )
}
