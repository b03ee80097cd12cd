//! `init`: the repository is created or found, the server is looked at, and its settings are told. Safe to
//! repeat: what is there stays. `--recreate` makes anew what is lost.

mod lost;

use std::path::{Path, PathBuf};

use super::failure::cannot;
use super::repository::{self, Opened, no_recipients, sealer};
use super::wal::push::Archive;
use super::{
    Context, bucket_findings, encryption_findings, server_findings, set_up, signing_key, state_directory,
    store_findings,
};
use crate::config::{self, Config};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Encryption;
use crate::postgres::{Connection, Settings};
use crate::report::check::Finding;
use crate::report::init::{Init, Other, Setting, Takes};
use crate::sink::{self, BY_UMASK, Durability};
use crate::source::data_directory::DataDirectory;
use crate::store::{Error as StoreError, Repository};

/// Debian includes every file of this directory beside postgresql.conf.
const INCLUDED_DIRECTORY: &str = "conf.d";
const INCLUDED_FILE: &str = "pgcairn.conf";
const BY_HAND: &str = "pgcairn init   # without --write prints the lines to add";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Put the settings into the server's configuration (Debian layout) instead of printing them.
    pub write: bool,
    /// The repository may be made without encryption.
    pub no_encryption: bool,
    /// Make anew what is lost, and nothing else.
    pub recreate: bool,
}

impl Request {
    /// Nothing may be made where this is going to be refused.
    pub fn is_refused(&self, config: &Config) -> bool {
        wanted_encryption(config, self).is_err()
    }
}

pub fn run(context: &Context, request: &Request) -> Result<Init> {
    if !request.recreate {
        return make(context, request);
    }
    let lost = lost::find(&context.config)?;
    let expecting = Context { config: lost::expected(&context.config, &lost), ..context.clone() };
    make(&expecting, request).map(|init| lost::told(context, lost, init))
}

fn make(context: &Context, request: &Request) -> Result<Init> {
    let encryption = wanted_encryption(&context.config, request)?;
    let (server, answer) = ask_server(context);
    let place = if request.write { Some(included_directory(server.as_ref(), &answer)?) } else { None };
    let (repository, created) = open_or_create(context, &context.config.repository, encryption)?;
    sealer(&context.config, repository.encryption())?;
    let mut findings = encryption_findings::encryption(&context.config, repository.encryption());
    findings.extend(store_findings::inspect(&context.config, &context.config.repository, &repository));
    let others = others(context, &repository, &mut findings)?;
    findings.push(answer);
    let (signing_key, signing) = signing_key::ensure(&context.config);
    findings.push(signing);
    if let Some(settings) = &server {
        push_histories(context, settings.system_identifier)?;
    }
    findings.extend(server.iter().flat_map(|settings| set_up_findings(context, &repository, settings)));
    // For `wal push`, which makes none; whoever may not make it is told by runs that miss it.
    let _ = state_directory::make(&context.config.state_directory());
    let has_files = context.config.remote.is_none();
    let settings = if has_files { server_findings::needed_settings(context, server.as_ref()) } else { Vec::new() };
    let written = place.map(|directory| write(&directory, &settings)).transpose()?;
    Ok(Init {
        repository: repository.url().to_owned(),
        repository_id: repository.id().to_owned(),
        created,
        encryption: repository.encryption(),
        signing_key: context.config.signing_key_file().filter(|_| signing_key.is_some()),
        public_key: signing_key,
        others,
        recipients: context.config.recipients.iter().map(ToString::to_string).collect(),
        cluster: context.config.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        system_identifier: server.as_ref().map(|s| s.system_identifier.to_string()),
        recreated: None,
        next: next(context, server.as_ref(), &settings),
        settings,
        written,
        findings: context.addressed(findings),
    })
}

/// Until somebody has shown that a stranger could restore, it is not complete.
fn set_up_findings(context: &Context, repository: &Repository, settings: &Settings) -> Vec<Finding> {
    let Some(name) = context.config.name.clone() else { return Vec::new() };
    let opened = Opened::new(repository.clone(), name, settings.system_identifier);
    let trusted = signing_key::trusted(&context.config).unwrap_or_default();
    set_up::findings(&Context { trusted, ..context.clone() }, &opened)
}

/// The repositories to which backups are copied. One that is not required may be away.
fn others(context: &Context, first: &Repository, findings: &mut Vec<Finding>) -> Result<Vec<Other>> {
    let mut others = Vec::new();
    for wanted in &context.config.others {
        match open_or_create(context, wanted, first.encryption()) {
            Ok((repository, created)) => {
                repository::alike(&(&context.config.repository, first.clone()), &(wanted, repository.clone()))?;
                let found = store_findings::inspect(&context.config, wanted, &repository);
                findings.extend(found.into_iter().map(|finding| finding.of(&wanted.name)));
                let (url, id) = (repository.url().to_owned(), repository.id().to_owned());
                others.push(Other { name: wanted.name.clone(), url, id, created });
            }
            Err(error) if wanted.required => return Err(error),
            Err(error) => {
                let hint = error.hint.unwrap_or_default();
                findings.push(Finding::warning("repository", error.message, hint).of(&wanted.name));
            }
        }
    }
    Ok(others)
}

fn push_histories(context: &Context, system_identifier: u64) -> Result<()> {
    let archived_to = context.config.repositories().filter(|repository| repository.is_archived_to());
    for repository in archived_to {
        Archive::open(&context.config, repository, system_identifier)?.push_histories(&context.config)?;
    }
    Ok(())
}

/// Without recipients whoever reads the repository reads the database, so that must be said aloud.
fn wanted_encryption(config: &Config, request: &Request) -> Result<Encryption> {
    match (config.recipients.is_empty(), request.no_encryption) {
        (false, false) => Ok(Encryption::Age),
        (true, true) => Ok(Encryption::None),
        (true, false) => Err(no_recipients(config)),
        (false, true) => {
            Err(Error::new(Code::Usage, format!("--no-encryption is given, and {} has recipients", config.origin()))
                .hint("leave --no-encryption out, or take the recipients out of the configuration"))
        }
    }
}

fn open_or_create(
    context: &Context,
    wanted: &config::Repository,
    encryption: Encryption,
) -> Result<(Repository, bool)> {
    match repository::open_one(&context.config, wanted) {
        Ok(repository) => Ok((repository, false)),
        // A configured id names a repository that exists: its disk is not mounted.
        Err(error) if error.code == Code::NotARepository && wanted.id.is_none() => {
            bucket_findings::refuse(&context.config, wanted)?;
            match Repository::create(wanted.url.place(), encryption) {
                Ok(repository) => Ok((repository, true)),
                Err(StoreError::AlreadyExists { .. }) => Ok((repository::open_one(&context.config, wanted)?, false)),
                Err(error) => Err(not_created(error)),
            }
        }
        Err(error) if error.code == Code::NotARepository => {
            Err(error.hint("mount its disk; where it is lost for good: pgcairn init --recreate"))
        }
        Err(error) => Err(error),
    }
}

/// Root makes the directory for the owner of the data directory.
fn not_created(error: StoreError) -> Error {
    match Error::from(error) {
        error if error.code == Code::Permission => error.hint("sudo pgcairn init"),
        error => error,
    }
}

/// The server may be down; then the settings are told without comparison.
fn ask_server(context: &Context) -> (Option<Settings>, Finding) {
    if context.config.remote.is_some() {
        return (
            None,
            Finding::skipped("server", "its files are not here (no data_dir), so there are dumps of it alone"),
        );
    }
    let asked = context.config.postgres().and_then(|postgres| {
        let mut connection = Connection::open(postgres.connection.as_str())?;
        let settings = Settings::read(&mut connection)?;
        let directory = DataDirectory::open(&postgres.data_dir)?;
        crate::postgres::check_cluster(&mut connection, &settings, &directory, None)?;
        Ok(settings)
    });
    match asked {
        Ok(settings) => {
            let finding = Finding::pass("server", format!("PostgreSQL {}", settings.version_text));
            (Some(settings), finding)
        }
        Err(error) if error.code == Code::Unreachable => (None, Finding::skipped("server", error.message)),
        Err(error) => (None, Finding::fail("server", error)),
    }
}

/// Where the settings can be written: known before anything is made.
fn included_directory(server: Option<&Settings>, answer: &Finding) -> Result<PathBuf> {
    let refuse = |message: String| Error::new(Code::Refused, message).hint(BY_HAND);
    let server = server
        .ok_or_else(|| refuse(format!("the server cannot be asked where its configuration is: {}", answer.message)))?;
    let directory = server.config_file.parent().unwrap_or(Path::new("/")).join(INCLUDED_DIRECTORY);
    if directory.is_dir() {
        return Ok(directory);
    }
    Err(refuse(format!("{} is not there: not Debian's layout", directory.display())))
}

/// Writes the settings to a file of their own, which is replaced as a whole.
fn write(directory: &Path, settings: &[Setting]) -> Result<PathBuf> {
    let text: String = settings.iter().map(|s| format!("{} = {}\n", s.name, s.value)).collect();
    let file = directory.join(INCLUDED_FILE);
    let text = format!("# Written by pgcairn init.\n{text}");
    sink::replace(&file, text.as_bytes(), BY_UMASK, Durability::Now).map_err(|error| {
        let message = format!("{} cannot be written: {}", file.display(), error.source);
        Error::new(cannot("write", file.display(), error.source).code, message).hint(BY_HAND)
    })?;
    Ok(file)
}

fn next(context: &Context, server: Option<&Settings>, settings: &[Setting]) -> String {
    let takes = |what| settings.iter().any(|s| s.takes == what);
    match server {
        None if context.config.remote.is_some() => context.command("dump"),
        None => context.command("check"),
        Some(_) if takes(Takes::Restart) => {
            format!("restart PostgreSQL with these lines, then {}", context.command("check"))
        }
        Some(_) if takes(Takes::Reload) => {
            format!("reload PostgreSQL with these lines, then {}", context.command("check"))
        }
        Some(_) => context.command("check"),
    }
}
