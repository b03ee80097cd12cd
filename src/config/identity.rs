//! Where the key comes from: a flag, the environment or a systemd credential; never the configuration.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::model::error::{Code, Error, Result};

pub const ENVIRONMENT_VARIABLE: &str = "PGCAIRN_IDENTITY";

/// The name under which systemd hands the key over (`LoadCredential=pgcairn-identity:…`).
pub const CREDENTIAL_NAME: &str = "pgcairn-identity";

const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// An identity file holds a few lines; a larger one is something else.
const MAX_IDENTITY_FILE: u64 = 1 << 20;

/// The content of an identity file, not parsed yet. Its Debug shows the origin alone.
#[derive(Debug, Clone)]
pub struct IdentityText {
    /// The file, for messages.
    pub origin: PathBuf,
    pub text: SecretString,
}

impl IdentityText {
    pub fn read(path: &Path) -> Result<IdentityText> {
        let wrong = |reason: String| {
            Error::new(Code::Identity, format!("identity {} cannot be read: {reason}", path.display()))
                .hint("give the file that `pgcairn key generate` wrote: --identity FILE")
        };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
        let read = file.take(MAX_IDENTITY_FILE).read_to_string(&mut text);
        read.map_err(|error: io::Error| wrong(error.to_string()))?;
        Ok(IdentityText { origin: path.to_owned(), text: text.into() })
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
