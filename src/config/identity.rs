//! Where the key comes from: a flag, the environment or a systemd credential; never the configuration.

mod on_host;

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};

pub use crate::codec::Identities;
use crate::codec::{IdentityError, MAX_IDENTITY_FILE};
use crate::model::error::{Code, Error, Result};
pub use on_host::{OnHost, find};

pub const ENVIRONMENT_VARIABLE: &str = "PGCAIRN_IDENTITY";

/// The name under which systemd hands the key over (`LoadCredential=pgcairn-identity:…`).
pub const CREDENTIAL_NAME: &str = "pgcairn-identity";

const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Reads and opens an identity file. `passphrase` is asked where the file needs one.
pub fn read(path: &Path, passphrase: impl FnOnce() -> Option<SecretString>) -> Result<Identities> {
    let wrong = |reason: &dyn std::fmt::Display| {
        Error::new(Code::Identity, format!("identity {} cannot be used: {reason}", path.display()))
    };
    // With room for all of it, the buffer is never moved and leaves no copy behind.
    let mut file = SecretBox::new(Box::new(Vec::with_capacity(MAX_IDENTITY_FILE + 1)));
    let opened = std::fs::File::open(path).map_err(|error| wrong(&error).hint(GIVE_ANOTHER))?;
    // One byte more than allowed is enough to be refused for it.
    opened
        .take(MAX_IDENTITY_FILE as u64 + 1)
        .read_to_end(file.expose_secret_mut())
        .map_err(|error| wrong(&error).hint(GIVE_ANOTHER))?;
    Identities::parse(file.expose_secret(), passphrase).map_err(|error| wrong(&error).hint(hint(&error)))
}

const GIVE_ANOTHER: &str = "give the file that `pgcairn key generate` wrote: --identity FILE";

fn hint(error: &IdentityError) -> &'static str {
    match error {
        IdentityError::PassphraseNeeded => "run the command on a terminal without --no-input",
        IdentityError::WrongPassphrase => "run the command again",
        _ => GIVE_ANOTHER,
    }
}

/// Which file, if any: flag before environment before credential.
pub fn locate(flag: Option<&Path>, environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let variable = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let credential = || {
        let file = variable(CREDENTIALS_DIRECTORY)?.join(CREDENTIAL_NAME);
        file.exists().then_some(file)
    };
    flag.map(Path::to_owned).or_else(|| variable(ENVIRONMENT_VARIABLE)).or_else(credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_before_environment_before_credential() {
        let credentials = tempfile::tempdir().unwrap();
        let credential = credentials.path().join(CREDENTIAL_NAME);
        let directory = credentials.path().as_os_str().to_owned();
        let find = |flag: Option<&str>, variable: &str| {
            let variables = |name: &str| match name {
                ENVIRONMENT_VARIABLE => Some(OsString::from(variable)),
                CREDENTIALS_DIRECTORY => Some(directory.clone()),
                _ => None,
            };
            locate(flag.map(Path::new), variables)
        };
        assert_eq!(find(None, ""), None, "a credential that was not handed over");
        std::fs::write(&credential, "").unwrap();
        assert_eq!(find(None, ""), Some(credential));
        assert_eq!(find(None, "/b"), Some("/b".into()));
        assert_eq!(find(Some("/a"), "/b"), Some("/a".into()));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.txt");
        std::fs::write(&file, "AGE-SECRET-KEY-1WRONG\n").unwrap();
        for path in [&file, &directory.path().join("absent"), &directory.path().to_owned()] {
            let error = read(path, || None).err().unwrap();
            assert_eq!(error.code, Code::Identity);
            assert!(error.message.contains(path.to_str().unwrap()) && !error.message.contains("WRONG"), "{error}");
        }
    }
}
