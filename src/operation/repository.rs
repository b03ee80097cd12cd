//! The repository as operations use it: opened, with the cluster's keys and what closes or opens objects.

use crate::codec::{Opener, Sealer};
use crate::config::{self, Config};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, ClusterName, Encryption};
use crate::report::Listener;
use crate::store::{Repository, RepositoryUrl, Told, Versions};

use super::Context;

const ENVIRONMENT_KEYS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that may GetObject and ListBucket, or add -c FILE with a configuration that has credentials";

/// An opened repository and one cluster in it.
#[derive(Debug, Clone)]
pub struct Opened {
    pub repository: Repository,
    pub cluster: ClusterName,
    pub system_identifier: u64,
    pub keys: ClusterKeys,
}

/// Opens the repository that backups are made into.
pub fn open(config: &Config) -> Result<Repository> {
    open_one(config, &config.repository)
}

/// Its id must be the configured one, where one is configured.
pub fn open_one(config: &Config, wanted: &config::Repository) -> Result<Repository> {
    let opened = Repository::open(wanted.url.place(), wanted.id.as_deref());
    opened.map(|repository| repository.called(&wanted.name)).map_err(|error| match Error::from(error) {
        error if config.repository_is_an_argument() => named_by_argument(config, error),
        error => error,
    })
}

/// An opened repository, and what the configuration says of it.
pub type Named<'c> = (&'c config::Repository, Repository);

/// Every configured repository. One that cannot be opened is left out, and that is said.
pub fn open_each<'c>(config: &'c Config, listener: &dyn Listener) -> Result<Vec<Named<'c>>> {
    let (mut opened, mut failed): (Vec<Named<'_>>, Vec<(&config::Repository, Error)>) = (Vec::new(), Vec::new());
    for wanted in config.repositories() {
        match open_one(config, wanted) {
            Ok(repository) => {
                if let Some(doubt) = without_versions(wanted, &repository) {
                    listener.warning(doubt);
                }
                opened.push((wanted, repository));
            }
            Err(error) if error.code == Code::Interrupted => return Err(error),
            Err(error) => failed.push((wanted, error)),
        }
    }
    if opened.is_empty() {
        return Err(failed.swap_remove(0).1);
    }
    for (wanted, error) in failed {
        let message = format!("repository {} is left out: {}", wanted.name, error.message);
        listener.warning(Error { message, code: Code::Flagged, ..error });
    }
    opened.windows(2).try_for_each(|pair| alike(&pair[0], &pair[1]))?;
    Ok(opened)
}

/// Asked for its oldest versions it gives what is there, which may be what an attacker has put there.
fn without_versions(wanted: &config::Repository, repository: &Repository) -> Option<Error> {
    let RepositoryUrl::S3(settings) = wanted.url.place() else { return None };
    let bucket = settings.oldest_versions.then(|| repository.bucket().ok().flatten())??;
    (bucket.versions == Told::Known(Versions::NotKept)).then(|| {
        let message =
            format!("the bucket of repository {} keeps no versions: objects are read as they are now", wanted.name);
        Error::new(Code::Flagged, message)
            .hint("take nothing in it for what it was before an attack; another repository may have it")
    })
}

/// All of them as one, for reading: what one does not have, or not sound, another may.
pub fn open_all(config: &Config, listener: &dyn Listener) -> Result<Repository> {
    let mut opened = open_each(config, listener)?.into_iter().map(|(_, repository)| repository);
    let first = opened.next().ok_or_else(|| Error::new(Code::Internal, "no repository is configured"))?;
    Ok(first.besides(opened))
}

/// Objects are copied as they are, so their keys and what closes them must be the same.
pub fn alike((a_name, a): &Named<'_>, (b_name, b): &Named<'_>) -> Result<()> {
    if a.encryption() == b.encryption() {
        return Ok(());
    }
    let words = |repository: &Repository| match repository.encryption() {
        Encryption::Age => "is encrypted",
        Encryption::None => "is not encrypted",
    };
    let message = format!("repository {} {}, and {} {}", a_name.name, words(a), b_name.name, words(b));
    Err(Error::new(Code::Config, message)
        .hint(format!(
            "give one a new place of its own kind: another url, then pgcairn init; to read one alone: --repository {} or --repository {}",
            a_name.name, b_name.name
        )))
}

/// Two names of one place, by a link or another endpoint, are no two copies: what is dropped in the one is gone from the
/// other.
pub fn distinct((a_name, a): &Named<'_>, (b_name, b): &Named<'_>) -> Result<()> {
    if a.id() != b.id() {
        return Ok(());
    }
    let message = format!("repositories {} and {} are one: both are {}", a_name.name, b_name.name, a.id());
    Err(Error::new(Code::Config, message).hint(format!(
        "give {} a place of its own: another url, then pgcairn init; a copy made by other means cannot be told from the original",
        b_name.name
    )))
}

/// The one that is worked on is none of the others that are configured and can be opened.
pub fn is_none_of_the_others(config: &Config, repository: &Repository) -> Result<()> {
    let wanted = &config.repository;
    let is_alike = |other: &&config::Repository| other.url.local_path().is_some() == wanted.url.local_path().is_some();
    for other in config.others.iter().chain(&config.beside).filter(is_alike) {
        if let Ok(opened) = open_one(config, other) {
            distinct(&(wanted, repository.clone()), &(other, opened))?;
        }
    }
    Ok(())
}

/// `init` would make the configured repository, and `check` ask it: of no use for one that an argument names.
fn named_by_argument(config: &Config, error: Error) -> Error {
    let is_local = config.repository.url.local_path().is_some();
    match (error.code, is_local) {
        (Code::NotARepository, true) => {
            error.hint("mount its disk, or correct --repository: it is the directory that holds pgcairn.json")
        }
        (Code::NotARepository, false) => {
            error.hint("correct --repository: s3://BUCKET/PREFIX?endpoint=URL leads to where pgcairn.json lies")
        }
        (Code::Permission, false) if config.file.is_none() => error.hint(ENVIRONMENT_KEYS),
        (Code::Unreachable, false) if config.file.is_none() => error
            .hint("correct --repository: s3://BUCKET/PREFIX?endpoint=URL&region=REGION says where the store answers"),
        (Code::ConfigValue, false) => error.hint("correct --repository: s3://BUCKET/PREFIX?region=REGION"),
        _ => error,
    }
}

impl Opened {
    /// For commands on the database host, where the data directory says which cluster it is.
    pub fn for_cluster(config: &Config, system_identifier: u64) -> Result<Opened> {
        Opened::of_cluster(config, &config.repository, system_identifier)
    }

    pub fn of_cluster(config: &Config, wanted: &config::Repository, system_identifier: u64) -> Result<Opened> {
        let repository = open_one(config, wanted)?;
        let cluster = config.name.clone().ok_or_else(|| no_cluster_name(config))?;
        Ok(Opened::new(repository, cluster, system_identifier))
    }

    pub fn new(repository: Repository, cluster: ClusterName, system_identifier: u64) -> Opened {
        let keys = ClusterKeys::new(&cluster, system_identifier, repository.encryption());
        Opened { repository, cluster, system_identifier, keys }
    }

    /// Where several are read as one, each of them by itself.
    pub fn each(&self) -> Vec<Opened> {
        let alone = |repository| Opened { repository, ..self.clone() };
        self.repository.each().into_iter().map(alone).collect()
    }

    pub fn sealer(&self, config: &Config) -> Result<Sealer> {
        sealer(config, self.repository.encryption())
    }

    pub fn opener(&self, context: &Context) -> Result<Opener> {
        opener(context, self.repository.encryption())
    }
}

/// Encryption belongs to the repository for its life; the configuration must agree with it.
pub fn sealer(config: &Config, encryption: Encryption) -> Result<Sealer> {
    match (encryption, config.recipients.is_empty()) {
        (Encryption::Age, true) => Err(no_recipients(config)),
        (Encryption::Age, false) => Ok(Sealer::new(config.recipients.clone())?),
        (Encryption::None, true) => Ok(Sealer::plain()),
        (Encryption::None, false) => Err(Error::new(
            Code::Config,
            format!(
                "the repository {} was made without encryption, and {} has recipients",
                config.repository.url,
                config.origin()
            ),
        )
        .hint("make a new repository for encrypted backups: another url, then pgcairn init")),
    }
}

pub fn opener(context: &Context, encryption: Encryption) -> Result<Opener> {
    match encryption {
        Encryption::None => Ok(Opener::plain()),
        Encryption::Age => Ok(Opener::new(context.identities()?.clone())),
    }
}

pub fn no_recipients(config: &Config) -> Error {
    let hint = "pgcairn key generate --output FILE, then put the recipient it prints under [encryption] recipients";
    Error::new(Code::NoRecipients, format!("{} names no recipients to encrypt to", config.origin())).hint(hint)
}

fn no_cluster_name(config: &Config) -> Error {
    Error::new(Code::Usage, format!("{} names no cluster", config.origin())).hint("add --cluster NAME")
}
