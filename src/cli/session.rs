//! Global flags, and what an operation stands on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::argument;
use super::exit::Protocol;
use super::notifier::{Notifier, RunName};
use super::ownership::{self, Belongings};
use super::prompt::{self, Answer};
use super::signal;
use crate::config::identity::{self, Identities, OnHost};
use crate::config::signing::TRUSTED_VARIABLE;
use crate::config::{self, Config, RepositoryChoice};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::key::ClusterName;
use crate::model::signature::PublicKey;
use crate::operation::{self, Context, signing_key};
use crate::report::{Format, Listener, Output};

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Configuration: a path, or the name of a file in /etc/pgcairn [default: main] [env: PGCAIRN_CONFIG]
    #[arg(short, long, global = true, value_name = "FILE|NAME")]
    config: Option<OsString>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Leave out progress and what is only good to know
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Agree to what is refused without: see expire
    #[arg(long, global = true)]
    yes: bool,
    /// Never ask, not even for a passphrase
    #[arg(long, global = true)]
    no_input: bool,
}

/// For commands that also work without a configuration file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which repository")]
pub struct RepositoryArguments {
    /// The name of a configured one; or where one lies, such as file:///var/backups/pgcairn, without a configuration
    #[arg(long, value_name = "URL|NAME")]
    repository: Option<RepositoryChoice>,
    /// Which cluster in it, where it holds several
    #[arg(long, value_name = "NAME", value_parser = argument::cluster_name)]
    cluster: Option<ClusterName>,
    /// Read every object as it was created first: what was overwritten or deleted later in a bucket with versions
    #[arg(long, help_heading = "After an attack on the repository")]
    oldest_versions: bool,
}

/// For commands that look at signatures.
#[derive(Debug, Default, Args)]
pub struct TrustArguments {
    /// Trust what this key has signed, as init prints it; may be repeated [env: PGCAIRN_TRUSTED]
    #[arg(long, value_name = "KEY", value_parser = argument::public_key, value_delimiter = ',')]
    trusted: Vec<PublicKey>,
}

impl TrustArguments {
    /// Without an argument those of the environment; an empty variable is none.
    fn keys(&self) -> Result<Vec<PublicKey>> {
        let variable = std::env::var_os(TRUSTED_VARIABLE).unwrap_or_default();
        if !self.trusted.is_empty() || variable.is_empty() {
            return Ok(self.trusted.clone());
        }
        let refused = |reason| {
            let message = format!("environment variable {TRUSTED_VARIABLE} cannot be used: {reason}");
            Error::new(Code::Usage, message)
                .hint(format!("set it to public keys with commas between them, or unset {TRUSTED_VARIABLE}"))
        };
        variable.to_string_lossy().split(',').map(|key| argument::public_key(key).map_err(refused)).collect()
    }
}

/// For commands that only look, and say whose signatures they found.
#[derive(Debug, Default, Args)]
pub struct LookingArguments {
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    place: RepositoryArguments,
}

impl LookingArguments {
    /// At everything that is configured, as it is.
    pub fn is_at_all(&self) -> bool {
        let RepositoryArguments { repository, cluster, oldest_versions } = &self.place;
        repository.is_none() && cluster.is_none() && !oldest_versions
    }

    pub fn repository(&self) -> Option<&RepositoryChoice> {
        self.place.repository()
    }
}

impl RepositoryArguments {
    pub fn repository(&self) -> Option<&RepositoryChoice> {
        self.repository.as_ref()
    }
}

/// For commands that change what lies in one repository.
#[derive(Debug, Default, Args)]
pub struct OneRepository {
    /// The name of a configured repository [default: the first]
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
}

impl OneRepository {
    pub fn name(&self) -> Option<&String> {
        self.repository.as_ref()
    }
}

/// For commands that decrypt.
#[derive(Debug, Default, Args)]
pub struct IdentityArguments {
    /// The file with the key [env: PGCAIRN_IDENTITY, or the systemd credential pgcairn-identity]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

impl IdentityArguments {
    pub fn file(&self) -> Option<&Path> {
        self.identity.as_deref()
    }
}

pub struct Session {
    globals: Globals,
    protocol: Protocol,
    pub output: Output,
    pub interrupt: Interrupt,
    pub now: Timestamp,
    pub notifier: Notifier,
}

impl Session {
    pub fn new(globals: Globals, protocol: Protocol, long: bool, run: Option<RunName>) -> Session {
        let format = match (globals.json, long) {
            (false, _) => Format::Human,
            (true, false) => Format::Json,
            (true, true) => Format::JsonLines,
        };
        let output = protocol.output(format, globals.quiet);
        let now = Timestamp::now();
        Session { globals, protocol, output, interrupt: Interrupt::default(), now, notifier: Notifier::new(run, now) }
    }

    /// Before it was given up.
    pub fn is_root(&self) -> bool {
        ownership::is_root()
    }

    /// `--yes` was given.
    pub fn agreed(&self) -> bool {
        self.globals.yes
    }

    /// A fact for the person, on standard error.
    pub fn say(&self, fact: String) {
        self.output.notice(fact);
    }

    /// For commands on this host's cluster: the configuration file, no key.
    pub fn context(&self) -> Result<Context> {
        let config = self.config()?;
        let belongings = Belongings { owned: vec![config.postgres()?.data_dir.clone()], ..Belongings::default() };
        self.begin(config, None, &belongings)
    }

    /// For what changes one repository: the first, or the one that is named.
    pub fn context_of(&self, place: &OneRepository) -> Result<Context> {
        let choice = place.repository.clone().map(RepositoryChoice::Name);
        self.keep(self.config()?.with_arguments(choice, None)?)
    }

    /// For `copy` and `dump`, which change several repositories, and `notify test`, which other users could not do in the same way:
    /// the secrets are not theirs.
    pub fn keeping_context(&self) -> Result<Context> {
        self.keep(self.config()?)
    }

    /// For `notify failed`, called by whoever the job was: for a drill that is no owner of anything.
    pub fn telling_context(&self) -> Result<Context> {
        let config = self.config()?;
        let read = data_dir(&config).into_iter().chain(local_repositories(&config)).collect();
        let state = Some(config.state_directory());
        self.begin(config, None, &Belongings { read, state, only_reads: true, ..Belongings::default() })
    }

    /// Where repositories are kept there need not be a server: then it is the owner of a local one who does it, and
    /// whoever calls for a store far away.
    fn keep(&self, config: Config) -> Result<Context> {
        let owned = Some(data_dir(&config)).filter(|dirs| !dirs.is_empty());
        let owned = owned.unwrap_or_else(|| local_repositories(&config));
        self.begin(config, None, &Belongings { only_reads: owned.is_empty(), owned, ..Belongings::default() })
    }

    /// For `check`: the same, and whatever key is at hand, because here it should not be.
    pub fn checking_context(&self, key: &IdentityArguments) -> Result<Context> {
        let identities = self.identities(key)?;
        Ok(Context { identities, ..self.context()? })
    }

    /// For `init`, which makes the repository too, and where `wal push` leaves what it failed with. `refused` says that it will not come to that.
    pub fn founding_context(&self, refused: impl Fn(&Config) -> bool) -> Result<Context> {
        let config = self.config()?;
        let repositories = local_repositories(&config);
        let belongings = Belongings {
            owned: data_dir(&config),
            repositories: if refused(&config) { Vec::new() } else { repositories },
            signing_key: config.signing_key_file().filter(|_| !refused(&config)),
            state: Some(config.state_directory()).filter(|_| !refused(&config)),
            ..Belongings::default()
        };
        self.begin(config, None, &belongings)
    }

    /// For commands that only read a repository: the file, or `--repository` in its place.
    pub fn reading_context(&self, place: &RepositoryArguments) -> Result<Context> {
        self.read(self.config_or(place)?, None)
    }

    fn read(&self, config: Config, state: Option<PathBuf>) -> Result<Context> {
        let belongings = Belongings {
            state,
            owned: data_dir(&config),
            read: local_repositories(&config),
            only_reads: true,
            ..Belongings::default()
        };
        self.begin(config, None, &belongings)
    }

    /// For `key check`, with the key.
    pub fn key_context(&self, place: &RepositoryArguments, key: &IdentityArguments) -> Result<Context> {
        let config = self.config_or(place)?;
        let identities = self.identities(key)?;
        Ok(Context { identities, ..self.read(config, None)? })
    }

    /// For `recovery-sheet`, on this host's cluster: whose signatures count stands on it.
    pub fn sheet_context(&self) -> Result<Context> {
        let trusted = signing_key::trusted(&self.config()?)?;
        Ok(Context { trusted, ..self.context()? })
    }

    /// The same as for reading, and whose signatures count. A key of this host that is no use keeps nobody from looking.
    pub fn looking_context(&self, look: &LookingArguments) -> Result<Context> {
        let config = self.config_or(&look.place)?.trusting(look.trust.keys()?);
        self.look_at(config, None)
    }

    fn look_at(&self, config: Config, state: Option<PathBuf>) -> Result<Context> {
        let trusted = signing_key::trusted(&config);
        let context = self.read(config, state)?;
        let trusted = trusted.unwrap_or_else(|error| {
            self.output.warning(error);
            context.config.signing.trusted.clone()
        });
        Ok(Context { trusted, ..context })
    }

    /// For `dump show`: the same, with whatever key is at hand.
    pub fn looking_context_with_key(&self, look: &LookingArguments, key: &IdentityArguments) -> Result<Context> {
        let identities = self.identities(key)?;
        Ok(Context { identities, ..self.looking_context(look)? })
    }

    /// For `verify`: the same, with whatever key is at hand unless it is not wanted.
    pub fn verifying_context(&self, look: &LookingArguments, key: Option<&IdentityArguments>) -> Result<Context> {
        let identities = key.map(|key| self.identities(key)).transpose()?.flatten();
        let config = self.config_or(&look.place)?.trusting(look.trust.keys()?);
        // What was read is remembered there.
        let state = config.file.is_some().then(|| config.state_directory());
        Ok(Context { identities, ..self.look_at(config, state)? })
    }

    /// For `restore`. `made` are the directories it fills, the target directory first.
    pub fn restoring_context(
        &self,
        place: &RepositoryArguments,
        key: &IdentityArguments,
        trust: &TrustArguments,
        made: Vec<PathBuf>,
        plan: bool,
    ) -> Result<Context> {
        let config = self.config_or(place)?.trusting(trust.keys()?);
        let identities = self.identities(key)?;
        let trusted = signing_key::trusted(&config)?;
        let owned = made.iter().take(1).cloned().chain(data_dir(&config)).collect();
        let data = if plan { Vec::new() } else { made };
        let context = self.begin(config, identities, &Belongings { owned, data, ..Belongings::default() })?;
        Ok(Context { trusted, ..context })
    }

    /// For `drill`, whose server runs as whoever calls, and as root does for the owner of the cluster or `postgres`. What
    /// it makes belongs to nobody else.
    pub fn drilling_context(
        &self,
        place: &RepositoryArguments,
        key: &IdentityArguments,
        trust: &TrustArguments,
    ) -> Result<Context> {
        // What another repository has proves nothing of this one.
        self.by_anyone(self.config_or(place)?.alone(), key, trust)
    }

    /// For `restore --table` and `dump restore`: the same, out of whichever repository has it.
    pub fn copying_out_context(
        &self,
        place: &RepositoryArguments,
        key: &IdentityArguments,
        trust: &TrustArguments,
    ) -> Result<Context> {
        self.by_anyone(self.config_or(place)?, key, trust)
    }

    fn by_anyone(&self, config: Config, key: &IdentityArguments, trust: &TrustArguments) -> Result<Context> {
        let config = config.trusting(trust.keys()?);
        let identities = self.identities(key)?;
        let trusted = signing_key::trusted_by_anyone(&config)?;
        let read = data_dir(&config).into_iter().chain(local_repositories(&config)).collect();
        // A second signal does not cut off the tidying that the first one began.
        let belongings = Belongings { read, ..Belongings::default() };
        let context = self.begin_watching(config, identities, &belongings, signal::watch_patiently)?;
        Ok(Context { trusted, ..context })
    }

    /// For `wal fetch`, which the server's own user calls.
    pub fn fetching_context(
        &self,
        place: &RepositoryArguments,
        key: &IdentityArguments,
        into: &Path,
    ) -> Result<Context> {
        let config = self.config_or(place)?;
        let identities = self.identities(key)?;
        let directory = std::path::absolute(into).ok().and_then(|path| path.parent().map(Path::to_owned));
        let owned = data_dir(&config);
        self.begin(
            config,
            identities,
            &Belongings { owned, read: directory.into_iter().collect(), ..Belongings::default() },
        )
    }

    /// Where the configuration file is.
    fn config_file(&self) -> PathBuf {
        config::locate(self.globals.config.as_deref(), std::env::var_os(config::ENVIRONMENT_VARIABLE))
    }

    /// Where they would lie.
    pub fn keys_on_host(&self) -> Vec<OnHost> {
        let file = self.config_file();
        let beside =
            file.parent().map(|directory| if directory.as_os_str().is_empty() { Path::new(".") } else { directory });
        identity::find(beside, |name| std::env::var_os(name))
    }

    pub fn config(&self) -> Result<Config> {
        let config = Config::read(&self.config_file())?;
        self.notifier.configured(&config);
        Ok(config)
    }

    /// For `schedule`, which writes for root and gives nothing up.
    pub fn scheduled_config(&self) -> Result<Config> {
        let config = self.config()?;
        self.output.lead_to(config.command_line());
        Ok(config)
    }

    /// `--repository` alone needs no file; beside `-c` it has precedence over what the file says.
    fn config_or(&self, place: &RepositoryArguments) -> Result<Config> {
        let config = match &place.repository {
            Some(RepositoryChoice::Url(url)) if self.globals.config.is_none() => Config::without_file(url.clone()),
            _ => self.config()?,
        };
        let config = config.with_arguments(place.repository.clone(), place.cluster.clone())?;
        if place.oldest_versions { config.with_oldest_versions() } else { Ok(config) }
    }

    fn identities(&self, key: &IdentityArguments) -> Result<Option<Identities>> {
        let Some(file) = identity::locate(key.identity.as_deref(), |name| std::env::var_os(name)) else {
            return Ok(None);
        };
        let may_ask = !self.globals.no_input && self.protocol == Protocol::Person;
        let ask = || match prompt::passphrase(&file) {
            Answer::Passphrase(passphrase) => Some(passphrase),
            Answer::Cancelled => {
                self.interrupt.raise();
                None
            }
            Answer::NoTerminal => None,
        };
        let identities = identity::read(&file, || if may_ask { ask() } else { None });
        self.interrupt.check()?;
        identities.map(Some)
    }

    /// Becomes the owner of what the command works on; from here on signals end it in order.
    pub fn take_over(&self, belongings: &Belongings) -> Result<()> {
        ownership::assume(belongings)?;
        self.watch_signals(signal::watch)
    }

    /// For work that belongs to nobody and leaves nothing behind: not as root, and a second signal does not
    /// cut off the tidying that the first one began.
    pub fn stand_in(&self) -> Result<()> {
        ownership::assume_stand_in()?;
        signal::watch_patiently(&self.interrupt).map_err(not_watched)
    }

    fn watch_signals(&self, watch: Watch) -> Result<()> {
        if self.protocol.is_called_by_server() {
            return Ok(());
        }
        operation::end_waits_at(&self.interrupt);
        watch(&self.interrupt).map_err(not_watched)
    }

    fn begin(&self, config: Config, identities: Option<Identities>, belongings: &Belongings) -> Result<Context> {
        self.begin_watching(config, identities, belongings, signal::watch)
    }

    fn begin_watching(
        &self,
        config: Config,
        identities: Option<Identities>,
        belongings: &Belongings,
        watch: Watch,
    ) -> Result<Context> {
        self.output.lead_to(config.command_line());
        let kept = (self.notifier.is_remembered() && config.keeps_state()).then(|| config.state_directory());
        let state = belongings.state.clone().or(kept);
        ownership::assume(&Belongings { state, ..belongings.clone() })?;
        self.watch_signals(watch)?;
        self.notifier.began(&self.output);
        let trusted = Vec::new();
        Ok(Context { config, identities, trusted, now: self.now, interrupt: self.interrupt.clone() })
    }
}

/// How signals end a run.
type Watch = fn(&Interrupt) -> std::io::Result<()>;

fn not_watched(error: std::io::Error) -> Error {
    Error::new(Code::Io, format!("signals cannot be watched: {error}"))
}

fn local_repositories(config: &Config) -> Vec<PathBuf> {
    config.repositories().filter_map(|repository| repository.url.local_path().map(Path::to_owned)).collect()
}

fn data_dir(config: &Config) -> Vec<PathBuf> {
    config.postgres.iter().map(|postgres| postgres.data_dir.clone()).collect()
}
