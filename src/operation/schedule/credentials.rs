//! Secrets that systemd hands to units: which are named, and where they lie for one configuration.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::config::identity::CREDENTIAL_NAME;
use crate::model::schedule::Job;
use crate::notify::Address;
use crate::store::{Credentials, RepositoryUrl};

/// Of a secret that was encrypted with `systemd-creds encrypt`.
const ENCRYPTED: &str = "cred";

/// `/etc/pgcairn/main.credentials`: files of root, which nobody else need read.
pub fn directory(instance: &str) -> PathBuf {
    Path::new(crate::config::CONFIG_DIRECTORY).join(format!("{instance}.credentials"))
}

/// Where one lies: as it is, or encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub name: String,
    pub path: PathBuf,
    pub encrypted: bool,
    pub is_there: bool,
}

impl Credential {
    pub fn find(name: &str, instance: &str, within: &dyn Fn(&Path) -> PathBuf) -> Credential {
        let path = directory(instance).join(name);
        let encrypted = directory(instance).join(format!("{name}.{ENCRYPTED}"));
        let is_there = |path: &Path| within(path).exists();
        match is_there(&encrypted) {
            true => Credential { name: name.to_owned(), path: encrypted, encrypted: true, is_there: true },
            false => Credential { name: name.to_owned(), encrypted: false, is_there: is_there(&path), path },
        }
    }

    /// The key, which only a drill is given.
    pub fn identity(instance: &str, within: &dyn Fn(&Path) -> PathBuf) -> Credential {
        Credential::find(CREDENTIAL_NAME, instance, within)
    }
}

/// Those that every job may need: access keys, and URLs of those who are told.
pub fn named(config: &Config) -> Vec<String> {
    let webhook = config.notify.webhook.as_ref().map(|webhook| &webhook.address);
    let told = config.notify.ping.iter().chain(webhook).filter_map(|address| match address {
        Address::Credential(name) => Some(name.clone()),
        _ => None,
    });
    let mut names: Vec<String> = config.repositories().filter_map(of_repository).chain(told).collect();
    names.sort();
    names.dedup();
    names
}

/// Those that `archive_command` needs.
pub fn of_archiving(config: &Config) -> Vec<String> {
    let archived = config.repositories().filter(|repository| repository.is_archived_to());
    let mut names: Vec<String> = archived.filter_map(of_repository).collect();
    names.sort();
    names.dedup();
    names
}

fn of_repository(repository: &crate::config::Repository) -> Option<String> {
    match repository.url.place() {
        RepositoryUrl::S3(settings) => match &settings.credentials {
            Credentials::Credential(name) => Some(name.clone()),
            _ => None,
        },
        RepositoryUrl::File(_) => None,
    }
}

/// Whether a job is of use without the key.
pub fn needs_key(config: &Config, job: Job) -> bool {
    job == Job::Drill && (!config.recipients.is_empty() || config.postgres.is_none())
}
