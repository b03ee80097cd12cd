//! `recovery-sheet`: what a stranger must know to restore when this host is gone, and that it was made.

use super::catalog::{Catalog, choose_cluster};
use super::repository::{self, Opened};
use super::{Context, records, recovery_sheets};
use crate::config;
use crate::model::catalog::Summary;
use crate::model::error::Result;
use crate::model::key::Encryption;
use crate::model::record::FORMAT;
use crate::model::recovery_sheet::Record;
use crate::notify::host_name;
use crate::postgres::{Connection, Settings};
use crate::report::Listener;
use crate::report::recovery_sheet::{Repository, Sheet, Tablespace};
use crate::store::{Credentials, RepositoryUrl};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Where the keys are kept, in the words of whoever keeps them.
    pub key_location: Option<String>,
    /// It is the sheet itself that is made, not what belongs to it.
    pub records: bool,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Sheet> {
    let repository = repository::open(&context.config)?;
    let encryption = repository.encryption();
    // With the server down the newest backup knows, and without a backup the server.
    let server = ask_server(context).ok();
    let (opened, newest) = generation(context, repository, server.as_ref())?;
    let version = server.as_ref().map(|it| it.version.0).or_else(|| newest.as_ref().map(|it| it.postgresql.version));
    let major = version.map(|version| version / 10_000);
    let sheet = Sheet {
        cluster: opened.cluster.to_string(),
        made: context.now,
        host: host_name(),
        system_identifier: opened.system_identifier.to_string(),
        postgresql: major,
        data_dir: context.config.postgres()?.data_dir.clone(),
        tablespaces: server.map(tablespaces),
        repositories: context.config.repositories().map(|one| described(context, one)).collect(),
        encrypted: encryption == Encryption::Age,
        recipients: context.config.recipients.iter().map(ToString::to_string).collect(),
        key_location: request.key_location.clone(),
        trusted: context.trusted.iter().map(ToString::to_string).collect(),
        pgcairn: env!("CARGO_PKG_VERSION"),
    };
    if request.records
        && let Err(error) = record(context, &opened)
    {
        listener.warning(records::not_recorded(context, "the sheet", error));
    }
    Ok(sheet)
}

fn ask_server(context: &Context) -> Result<Settings> {
    let mut connection = Connection::open(context.config.postgres()?.connection.as_str())?;
    Settings::read(&mut connection)
}

fn generation(
    context: &Context,
    repository: crate::store::Repository,
    server: Option<&Settings>,
) -> Result<(Opened, Option<Summary>)> {
    let named = server.zip(context.config.name.clone());
    let opened = match named {
        Some((settings, name)) => Opened::new(repository, name, settings.system_identifier),
        None => choose_cluster(&context.config, repository)?,
    };
    let backups = Catalog::read(&opened.repository.reader(), &opened.keys)?.into_summaries();
    Ok((opened, backups.into_iter().max_by_key(|backup| backup.stopped)))
}

fn tablespaces(settings: Settings) -> Vec<Tablespace> {
    let is_elsewhere = |location: &str| location.starts_with('/');
    let tablespaces = settings.tablespaces.into_iter().map(|it| Tablespace {
        oid: it.oid,
        location: it.location.to_string(),
        name: it.name,
    });
    tablespaces.filter(|it| is_elsewhere(&it.location)).collect()
}

/// The id is asked for: who finds another one there has found another repository.
fn described(context: &Context, wanted: &config::Repository) -> Repository {
    let id = repository::open_one(&context.config, wanted).ok().map(|opened| opened.id().to_owned());
    let s3 = match wanted.url.place() {
        RepositoryUrl::S3(settings) => Some(settings),
        RepositoryUrl::File(_) => None,
    };
    Repository {
        name: wanted.name.clone(),
        url: wanted.url.to_string(),
        directory: wanted.url.local_path().map(|path| path.display().to_string()),
        id: id.or_else(|| wanted.id.clone()),
        endpoint: s3.and_then(|s3| s3.endpoint.as_ref().map(ToString::to_string)),
        region: s3.and_then(|s3| s3.region.clone()),
        credentials: s3.map(|s3| credentials(&s3.credentials)),
    }
}

/// Where this host has them, never what they are.
fn credentials(credentials: &Credentials) -> String {
    match credentials {
        Credentials::Usual => "as the AWS tools find them on that host".to_owned(),
        Credentials::Environment => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its environment".to_owned(),
        Credentials::WebIdentity => "a web identity token of that host".to_owned(),
        Credentials::Instance => "the role of that instance".to_owned(),
        Credentials::File { path, .. } => format!("the file {} on that host", path.display()),
        Credentials::Credential(name) => format!("the systemd credential {name} of that host"),
        Credentials::Command(words) => {
            format!("the program {} on that host", words.first().cloned().unwrap_or_default())
        }
    }
}

/// One that says the same is not written down twice.
fn record(context: &Context, opened: &Opened) -> Result<()> {
    let says = recovery_sheets::says(&context.config, &context.trusted);
    let reader = opened.repository.reader();
    let last = records::latest(records::newest::<Record>(&reader, &opened.keys)?)?;
    if last.is_some_and(|last| last.says == says) {
        return Ok(());
    }
    let record = Record { format: FORMAT, made: context.now, says, pgcairn: env!("CARGO_PKG_VERSION").to_owned() };
    records::create(opened, &record)
}
