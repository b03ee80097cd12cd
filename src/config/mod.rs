//! The configuration: read and checked once, passed by value.

mod drill;
mod dump;
mod file;
pub mod identity;
mod keys;
mod locate;
mod notify;
mod repository;
mod s3;
mod schedule;
mod schema;
pub mod signing;
mod status;
mod value;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::codec::Recipient;
use crate::model::command_line::CommandLine;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterName;
use crate::model::plan::dump_retention::DumpPolicy;
use crate::model::plan::retention::Policy;
use crate::model::shell_word::shell_word;
use crate::model::signature::PublicKey;
use crate::model::verdict::Thresholds;
use crate::notify::Settings as Notify;

pub use drill::{Drill, DrillCheck};
pub use dump::{Dump, LOCK_TIMEOUT};
pub use keys::{KEYS, Key};
pub use locate::{CONFIG_DIRECTORY, ENVIRONMENT_VARIABLE, locate};
pub use repository::{Price, Repository, RepositoryChoice};
pub use s3::usual_lock_period;
pub use schedule::{Schedule, Time};
pub use schema::schema;
pub use status::usual as usual_thresholds;
pub use value::{ConnectionString, RepositoryUrl, duration, public_key};

/// zstd level where none is configured: as fast as the disk for most, and nearly as small as level 5.
pub const DEFAULT_COMPRESSION: i32 = 3;

/// How Debian's PostgreSQL is reached by its own superuser.
pub const DEFAULT_CONNECTION: &str = "host=/var/run/postgresql user=postgres dbname=postgres";

/// Set by systemd for a unit with `StateDirectory=`.
const STATE_VARIABLE: &str = "STATE_DIRECTORY";

pub const DEFAULT_STATE_DIRECTORY: &str = "/var/lib/pgcairn";

/// Everything that is configured for one cluster. Holds no secrets but a password that
/// `connection` may carry and URLs of `[notify]`, which are not shown.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file this was read from; none where `--repository` stood in for it.
    pub file: Option<PathBuf>,
    /// Under which the backups are kept. `None` without a file and without `--cluster`: then the
    /// repository must hold exactly one cluster.
    pub name: Option<ClusterName>,
    /// Left out on a host that only restores.
    pub postgres: Option<Postgres>,
    /// How a server is reached whose files are elsewhere: for dumps.
    pub remote: Option<ConnectionString>,
    /// Public keys; empty where the repository is not encrypted.
    pub recipients: Vec<Recipient>,
    pub signing: Signing,
    /// The first: backups are made into it.
    pub repository: Repository,
    /// Further ones, to which backups are copied.
    pub others: Vec<Repository>,
    /// What is configured beside the one that an argument names.
    pub beside: Vec<Repository>,
    pub objectives: Objectives,
    pub backup: Backup,
    /// Without it everything is kept.
    pub retention: Option<Policy>,
    /// What is dumped by a timer, and kept of it.
    pub dump: Option<Dump>,
    /// Who is told of failures.
    pub notify: Notify,
    /// The file that metrics are written to.
    pub metrics: Option<PathBuf>,
    /// As configured; see [`Config::state_directory`].
    pub state_dir: Option<PathBuf>,
    pub drill: Drill,
    /// From when on `status` calls something wrong.
    pub thresholds: Thresholds,
    /// When timers start what.
    pub schedule: Schedule,
    /// What stands in for the file, or beside it.
    arguments: Arguments,
}

/// `--repository`, `--cluster`, `--oldest-versions` and `--trusted`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Arguments {
    repository: Option<RepositoryChoice>,
    cluster: Option<ClusterName>,
    oldest_versions: bool,
    trusted: Vec<PublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    pub data_dir: PathBuf,
    pub connection: ConnectionString,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signing {
    /// The file with the key that signs, as configured; see [`Config::signing_key_file`].
    pub key: Option<PathBuf>,
    /// Where it lies otherwise: beside the configuration. Absolute, because pgcairn may leave its directory.
    pub beside: Option<PathBuf>,
    /// Whose backups are restored here. This host's own key counts as well, where there is one.
    pub trusted: Vec<PublicKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Objectives {
    /// Most data, in time, that a disaster may cost.
    pub rpo: Option<Duration>,
    /// Longest time until the data can be used again.
    pub rto: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub jobs: Option<NonZeroU16>,
    /// zstd level, 1 to 19.
    pub compression: i32,
    /// Bytes per second read from the data directory.
    pub max_rate: Option<u64>,
    /// Captured with every backup, beside the data directory.
    pub include: Vec<PathBuf>,
}

impl Default for Backup {
    fn default() -> Backup {
        Backup { jobs: None, compression: DEFAULT_COMPRESSION, max_rate: None, include: Vec::new() }
    }
}

impl Backup {
    /// Workers: as configured, else one for each core (they run at batch priority).
    pub fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(cores, |jobs| usize::from(jobs.get()))
    }
}

impl Config {
    /// Reads and checks a configuration file.
    pub fn read(path: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        file::parse(path, &text)
    }

    /// What is known without a file: where the repository lies.
    pub fn without_file(url: RepositoryUrl) -> Config {
        Config {
            file: None,
            name: None,
            postgres: None,
            remote: None,
            recipients: Vec::new(),
            signing: Signing::default(),
            repository: Repository::at(url.clone()),
            others: Vec::new(),
            beside: Vec::new(),
            objectives: Objectives::default(),
            backup: Backup::default(),
            retention: None,
            dump: None,
            notify: Notify::default(),
            metrics: None,
            state_dir: None,
            drill: Drill::default(),
            thresholds: Thresholds::default(),
            schedule: Schedule::default(),
            arguments: Arguments { repository: Some(RepositoryChoice::Url(url)), ..Arguments::default() },
        }
    }

    /// With what `--repository` and `--cluster` say: they have precedence over the file.
    pub fn with_arguments(
        mut self,
        repository: Option<RepositoryChoice>,
        cluster: Option<ClusterName>,
    ) -> Result<Config> {
        if let Some(choice) = &repository {
            let chosen = repository::chosen(choice, &self)?;
            self.beside = self.repositories().filter(|other| other.name != chosen.name).cloned().collect();
            self.repository = chosen;
            self.others.clear();
        }
        self.name = cluster.clone().or(self.name);
        self.arguments = Arguments { repository, cluster, ..self.arguments };
        Ok(self)
    }

    /// Every repository, the one that backups are made into first.
    pub fn repositories(&self) -> impl Iterator<Item = &Repository> {
        std::iter::once(&self.repository).chain(&self.others)
    }

    /// The one that backups are made into, or that `--repository` names, as if there were no other.
    pub fn alone(mut self) -> Config {
        self.beside.append(&mut self.others);
        self
    }

    pub fn named(&self, name: &str) -> Result<&Repository> {
        self.repositories().find(|repository| repository.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.repositories().map(|repository| repository.name.as_str()).collect();
            Error::new(Code::Usage, format!("{} has no repository \"{name}\"", self.origin()))
                .hint(format!("it has {}", names.join(", ")))
        })
    }

    /// What expiry goes by there.
    pub fn retention_of<'c>(&'c self, repository: &'c Repository) -> Option<&'c Policy> {
        repository.retention.as_ref().or(self.retention.as_ref())
    }

    /// The longest that its rules keep anything there where none is missing.
    pub fn longest_kept(&self, repository: &Repository) -> Option<Duration> {
        let dumps = self.dump_retention().filter(|_| repository.keep.is_none()).map(DumpPolicy::longest);
        Some(self.retention_of(repository)?.longest().max(dumps.unwrap_or_default()))
    }

    /// zstd level of a dump.
    pub fn dump_compression(&self) -> i32 {
        self.dump.as_ref().map_or(dump::COMPRESSION, |dump| dump.compression)
    }

    /// What expiry goes by with dumps; without it every one is kept.
    pub fn dump_retention(&self) -> Option<&DumpPolicy> {
        self.dump.as_ref()?.retention.as_ref()
    }

    /// For `--oldest-versions`: every object is read as it was created first.
    pub fn with_oldest_versions(mut self) -> Result<Config> {
        let oldest = |repository: &Repository| {
            Some(Repository { url: repository.url.in_oldest_versions()?, ..repository.clone() })
        };
        let mut all: Vec<Repository> = self.repositories().filter_map(oldest).collect();
        if all.is_empty() {
            let message = format!("--oldest-versions: {} is a directory, which keeps no versions", self.repository.url);
            return Err(Error::new(Code::Usage, message)
                .hint("leave it out; an earlier state of a directory is in a snapshot of its file system"));
        }
        self.repository = all.remove(0);
        self.others = all;
        self.arguments.oldest_versions = true;
        Ok(self)
    }

    /// With the keys of `--trusted`, which count beside those of the file.
    pub fn trusting(mut self, keys: Vec<PublicKey>) -> Config {
        self.signing.trusted.extend(&keys);
        self.arguments.trusted = keys;
        self
    }

    /// Where the key lies that signs backups; nowhere without a configuration file.
    pub fn signing_key_file(&self) -> Option<PathBuf> {
        self.signing.key.clone().or_else(|| self.signing.beside.clone())
    }

    /// Where this host keeps small files of its own: as configured, else where systemd says, else where its packages
    /// keep such things.
    pub fn state_directory(&self) -> PathBuf {
        // Of several directories the first is the unit's own.
        let given = std::env::var_os(STATE_VARIABLE).and_then(|all| std::env::split_paths(&all).next());
        let given = given.filter(|directory| directory.is_absolute());
        self.state_dir.clone().or(given).unwrap_or_else(|| DEFAULT_STATE_DIRECTORY.into())
    }

    /// Whether anything is kept there: it is of a cluster that a file tells of.
    pub fn keeps_state(&self) -> bool {
        self.file.is_some()
    }

    /// Whether somebody hears how runs ended by what is kept there.
    pub fn tells_of_runs(&self) -> bool {
        self.notify.tells_news() || self.metrics.is_some()
    }

    /// The cluster on this host, for commands that cannot do without it.
    pub fn postgres(&self) -> Result<&Postgres> {
        self.postgres.as_ref().ok_or_else(|| {
            Error::new(Code::Config, format!("{} has no [postgres] data_dir", self.origin())).hint(match self.remote {
                Some(_) => "set it where the files of the server are; dump needs none of them",
                None => "pgcairn config --help   # shows a configuration to begin with",
            })
        })
    }

    /// The server that is dumped, whether its files are here or not.
    pub fn connection(&self) -> Result<&ConnectionString> {
        let here = self.postgres.as_ref().map(|postgres| &postgres.connection);
        here.or(self.remote.as_ref()).ok_or_else(|| {
            Error::new(Code::Config, format!("{} has no [postgres] connection", self.origin()))
                .hint("pgcairn config --help   # shows a configuration to begin with")
        })
    }

    /// `--repository` says where the repository lies, whatever the file says.
    pub fn repository_is_an_argument(&self) -> bool {
        self.arguments.repository.is_some()
    }

    /// Where these settings come from, for messages.
    pub fn origin(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => "the command line".to_owned(),
        }
    }

    /// How commands find this configuration again.
    pub fn command_line(&self) -> CommandLine {
        CommandLine { program: self.program(), place: self.place(), chosen: self.chosen(), trust: self.trust() }
    }

    fn program(&self) -> String {
        match &self.file {
            Some(file) if locate::short_name(file) == Some(locate::DEFAULT_NAME) => "pgcairn".to_owned(),
            Some(file) => format!("pgcairn -c {}", locate::argument(file)),
            None => "pgcairn".to_owned(),
        }
    }

    /// What must follow a command because the file does not say it.
    fn place(&self) -> String {
        let Arguments { repository, cluster, oldest_versions, .. } = &self.arguments;
        let url = repository.iter().filter(|choice| matches!(choice, RepositoryChoice::Url(_)));
        let url = url.map(|choice| format!(" --repository {}", shell_word(&choice.to_string())));
        let place: String = url.chain(cluster.iter().map(|name| format!(" --cluster {name}"))).collect();
        place + if *oldest_versions { " --oldest-versions" } else { "" }
    }

    fn chosen(&self) -> String {
        match &self.arguments.repository {
            Some(RepositoryChoice::Name(name)) => format!(" --repository {}", shell_word(name)),
            _ => String::new(),
        }
    }

    fn trust(&self) -> String {
        self.arguments.trusted.iter().map(|key| format!(" --trusted {key}")).collect()
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let hint = match error.kind() {
        std::io::ErrorKind::NotFound => "pgcairn config --help   # shows one to begin with".to_owned(),
        std::io::ErrorKind::PermissionDenied => format!("sudo pgcairn -c {} config check", locate::argument(path)),
        _ => "name a configuration file: pgcairn -c FILE config check".to_owned(),
    };
    Error::new(Code::Config, format!("configuration {} cannot be read: {error}", path.display())).hint(hint)
}
