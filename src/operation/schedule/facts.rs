//! What this machine says beside the configuration.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use super::credentials::Credential;
use super::{Request, credentials};
use crate::config::{CONFIG_DIRECTORY, Config};

/// Who owns a cluster where nothing else tells.
const USUAL_OWNER: &str = "postgres";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Where the units will find it, whatever lies above it now.
    pub configuration: PathBuf,
    /// Whom the jobs run as, but the drill.
    pub owner: String,
    /// Whether it is named by its credentials.
    pub identity: Credential,
    pub credentials: Vec<Credential>,
    pub of_archiving: Vec<Credential>,
}

impl Facts {
    pub fn gather(config: &Config, request: &Request) -> Facts {
        let instance = super::instance(config, request).unwrap_or_default();
        let within = |path: &Path| request.within(path);
        let find = |names: Vec<String>| -> Vec<Credential> {
            names.iter().map(|name| Credential::find(name, &instance, &within)).collect()
        };
        Facts {
            configuration: Path::new(CONFIG_DIRECTORY).join(format!("{instance}.toml")),
            owner: owner(config, request),
            identity: Credential::identity(&instance, &within),
            credentials: find(credentials::named(config)),
            of_archiving: find(credentials::of_archiving(config)),
        }
    }
}

/// Of the data directory, else of a local repository; root is never one.
fn owner(config: &Config, request: &Request) -> String {
    let data_dir = config.postgres.as_ref().map(|postgres| postgres.data_dir.as_path());
    let repositories = config.repositories().filter_map(|repository| repository.url.local_path());
    let owner_of = |path: &Path| request.within(path).metadata().ok().map(|it| it.uid()).filter(|uid| *uid != 0);
    match data_dir.into_iter().chain(repositories).find_map(owner_of) {
        Some(uid) => User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or(uid.to_string(), |user| user.name),
        None => USUAL_OWNER.to_owned(),
    }
}
