//! Global flags, and what an operation stands on.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::config::identity::{self, Identities};
use crate::config::{self, Config, RepositoryUrl};
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::key::ClusterName;
use crate::operation::Context;
use crate::report::{Format, Output, Sink};

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Configuration: a path, or the name of a file in /etc/pgcairn [default: main] [env: PGCAIRN_CONFIG]
    #[arg(short, long, global = true, value_name = "FILE|NAME")]
    config: Option<OsString>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print the result and failures only
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    yes: bool,
    /// Never ask, not even for a passphrase
    #[arg(long, global = true)]
    no_input: bool,
}

/// For commands that also work without a configuration file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Without a configuration file")]
pub struct RepositoryArguments {
    /// Where the repository lies, such as file:///var/backups/pgcairn
    #[arg(long, value_name = "URL")]
    repository: Option<RepositoryUrl>,
    /// Which cluster in it, where it holds several
    #[arg(long, value_name = "NAME", value_parser = super::argument::cluster_name)]
    cluster: Option<ClusterName>,
}

/// For commands that decrypt.
#[derive(Debug, Default, Args)]
pub struct IdentityArguments {
    /// The file with the key [env: PGCAIRN_IDENTITY, or the systemd credential pgcairn-identity]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

pub struct Session {
    pub globals: Globals,
    pub output: Output,
    pub interrupt: Interrupt,
    pub now: Timestamp,
}

impl Session {
    pub fn new(globals: Globals, long: bool) -> Session {
        let format = match (globals.json, long) {
            (false, _) => Format::Human,
            (true, false) => Format::Json,
            (true, true) => Format::JsonLines,
        };
        let output = Output::new(format, globals.quiet);
        Session { globals, output, interrupt: Interrupt::default(), now: Timestamp::now() }
    }

    /// A fact for the person, on standard error.
    pub fn say(&self, fact: String) {
        self.output.notice(fact);
    }

    /// For commands on this host's cluster: the configuration file, no key.
    pub fn context(&self) -> Result<Context> {
        Ok(self.context_of(self.config()?, None))
    }

    /// For commands that read a repository: the file, or `--repository` in its place.
    pub fn reading_context(&self, place: &RepositoryArguments) -> Result<Context> {
        Ok(self.context_of(self.config_or(place)?, None))
    }

    /// For commands that decrypt.
    pub fn decrypting_context(&self, place: &RepositoryArguments, key: &IdentityArguments) -> Result<Context> {
        let file = identity::locate(key.identity.as_deref(), |name| std::env::var_os(name));
        let identities = file.map(|file| identity::read(&file, || None)).transpose()?;
        Ok(self.context_of(self.config_or(place)?, identities))
    }

    /// Where the configuration file is.
    pub fn config_file(&self) -> PathBuf {
        config::locate(self.globals.config.as_deref(), std::env::var_os(config::ENVIRONMENT_VARIABLE))
    }

    pub fn config(&self) -> Result<Config> {
        Config::read(&self.config_file())
    }

    /// `--repository` alone needs no file; beside `-c` it has precedence over what the file says.
    fn config_or(&self, place: &RepositoryArguments) -> Result<Config> {
        let mut config = match &place.repository {
            Some(url) if self.globals.config.is_none() => Config::without_file(url.clone(), None),
            _ => self.config()?,
        };
        if let Some(url) = &place.repository {
            config.repository.url = url.clone();
        }
        config.name = place.cluster.clone().or(config.name);
        Ok(config)
    }

    fn context_of(&self, config: Config, identities: Option<Identities>) -> Context {
        Context { config, identities, now: self.now, interrupt: self.interrupt.clone() }
    }
}
