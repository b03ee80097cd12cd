//! Whether an identity lies on this host, where one would be: whoever takes the host has it too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{CREDENTIALS_DIRECTORY, ENVIRONMENT_VARIABLE, read};
use crate::codec::{MAX_IDENTITY_FILE, Recipient};

/// So many files of a directory are looked at.
const MOST: usize = 64;

/// A file with a key that is not protected by a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnHost {
    pub path: PathBuf,
    /// What it opens is encrypted to one of these.
    pub recipients: Vec<Recipient>,
}

/// In the environment, among credentials of systemd, and beside the configuration. What this user may not read is not
/// found; root finds all.
pub fn find(beside: Option<&Path>, environment: impl Fn(&str) -> Option<OsString>) -> Vec<OnHost> {
    let variable = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directories = [variable(CREDENTIALS_DIRECTORY), beside.map(Path::to_owned)];
    let mut files: BTreeSet<PathBuf> = directories.into_iter().flatten().flat_map(|dir| files_of(&dir)).collect();
    files.extend(variable(ENVIRONMENT_VARIABLE));
    files.into_iter().filter_map(key_in).collect()
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().take(MOST);
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// A pipe, for one, would keep the reader waiting.
fn key_in(path: PathBuf) -> Option<OnHost> {
    let is_small = path.metadata().is_ok_and(|it| it.is_file() && it.len() <= MAX_IDENTITY_FILE as u64);
    let identities = is_small.then(|| read(&path, || None).ok()).flatten()?;
    Some(OnHost { recipients: identities.recipients(), path })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::codec::generate_identity;

    #[test]
    fn keys_are_found_where_they_would_be_and_nothing_else() {
        let [beside, credentials, elsewhere] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let write = |path: &Path| {
            let (secret, recipient) = generate_identity();
            std::fs::write(path, format!("# a comment\n{}\n", secret.expose_secret())).unwrap();
            recipient
        };
        std::fs::write(beside.path().join("main.toml"), "name = \"main\"\n").unwrap();
        std::fs::create_dir(beside.path().join("directory")).unwrap();
        let paths = [beside.path().join("key.txt"), credentials.path().join("drill"), elsewhere.path().join("key")];
        let environment = |name: &str| match name {
            ENVIRONMENT_VARIABLE => Some(paths[2].as_os_str().to_owned()),
            CREDENTIALS_DIRECTORY => Some(credentials.path().as_os_str().to_owned()),
            _ => None,
        };
        assert_eq!(find(Some(beside.path()), environment), []);
        let made: BTreeSet<String> = paths.iter().map(|path| write(path).to_string()).collect();
        let found = find(Some(beside.path()), environment);
        assert_eq!(found.iter().map(|it| it.path.clone()).collect::<BTreeSet<_>>(), BTreeSet::from(paths.clone()));
        assert_eq!(found.iter().map(|it| it.recipients[0].to_string()).collect::<BTreeSet<_>>(), made);
    }
}
