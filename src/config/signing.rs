//! The key that this host signs its backups with.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};

use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::model::signature::{MAX_SIGNING_KEY_FILE, SigningKey};

/// Of the key's file, beside the configuration's.
pub const EXTENSION: &str = "signing.pem";

/// Public keys, separated by commas: what `--trusted` takes.
pub const TRUSTED_VARIABLE: &str = "PGCAIRN_TRUSTED";

/// Nobody but the owner and the group may look at a secret.
const OTHERS: u32 = 0o007;

/// `None` where no such file is.
pub fn read(path: &Path) -> Result<Option<SigningKey>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| unreadable(path, &error))?,
    };
    let mode = file.metadata().map_err(|error| unreadable(path, &error))?.mode();
    if mode & OTHERS != 0 {
        let reason = format!("its mode is {:04o}, everybody may read it", mode & 0o7777);
        return Err(unusable(path, &reason).hint(format!(
            "whoever has read it can sign: rm {}, then make another one: pgcairn init",
            shell_word(&path.to_string_lossy())
        )));
    }
    // With room for all of it, the buffer is never moved and leaves no copy behind.
    let mut pem = SecretBox::new(Box::new(Vec::with_capacity(MAX_SIGNING_KEY_FILE + 1)));
    let read = (&mut file).take(MAX_SIGNING_KEY_FILE as u64 + 1).read_to_end(pem.expose_secret_mut());
    read.map_err(|error| unreadable(path, &error))?;
    let key = SigningKey::from_pem(pem.expose_secret());
    key.map(Some).map_err(|error| {
        unusable(path, &error).hint(format!(
            "put it back from a copy; or rm {}, then make another one: pgcairn init",
            shell_word(&path.to_string_lossy())
        ))
    })
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::new(Code::SigningKey, format!("signing key {} cannot be used: {reason}", path.display()))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    unusable(path, error).hint(format!(
        "it must be a file of the owner of the data directory: ls -l {}",
        shell_word(&path.to_string_lossy())
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("main.signing.pem");
        assert!(read(&path).unwrap().is_none());
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let key = SigningKey::from_seed([1; 32]);
        std::fs::write(&path, key.to_pem().expose_secret()).unwrap();
        mode(0o640);
        assert_eq!(read(&path).unwrap().unwrap().public(), key.public());
        mode(0o604);
        let disclosed = read(&path).err().unwrap();
        assert!(disclosed.message.ends_with("its mode is 0604, everybody may read it"), "{disclosed}");
        mode(0o600);
        let long = "x".repeat(MAX_SIGNING_KEY_FILE + 1);
        for wrong in ["", "-----BEGIN PRIVATE KEY-----\ns3cr\n-----END PRIVATE KEY-----\n", &long] {
            std::fs::write(&path, wrong).unwrap();
            let error = read(&path).err().unwrap();
            assert_eq!(error.code, Code::SigningKey);
            assert!(error.message.contains(path.to_str().unwrap()) && !error.message.contains("s3cr"), "{error}");
        }
        assert_eq!(read(directory.path()).err().unwrap().code, Code::SigningKey);
    }
}
