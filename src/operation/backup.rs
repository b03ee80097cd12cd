//! `backup`: a full backup of the live cluster.

mod captured;
mod commit;
mod copy;
mod wal_arrival;

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::copy::{What, bring_up};
use super::repository::Opened;
use super::wal::push::Archive;
use super::{Context, drills, legal_hold, required, signing_key};
use crate::codec::Sealer;
use crate::config;
use crate::flow::outward::Copied;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::model::relation::RelationFile;
use crate::model::signature::SigningKey;
use crate::postgres::{
    BackupSession, Connection, Environment, RelationNames, Settings, check_archiving, check_cluster, check_rights,
};
use crate::report::backup::{Backup, FlaggedPage};
use crate::report::copy::Brought;
use crate::report::{Listener, Phase};
use crate::source::data_directory::{DataDirectory, Notice};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub labels: BTreeMap<String, String>,
    /// The reason to hold it.
    pub hold: Option<String>,
}

/// Everything that is known before the backup starts.
struct Prepared {
    id: BackupId,
    started: Timestamp,
    settings: Settings,
    environment: Environment,
    directory: DataDirectory,
    /// Bytes to be copied, about; only for progress.
    data_size: Option<u64>,
    opened: Opened,
    sealer: Sealer,
    /// Of this host, where it has one.
    signing_key: Option<SigningKey>,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Backup> {
    let began = Instant::now();
    let (prepared, connection) = prepare(context)?;
    listener.phase(Phase::Checkpoint);
    let mut session = BackupSession::start(connection, &format!("pgcairn {}", prepared.id), true)?;
    let start = session.started();
    check_cluster(session.connection(), &prepared.settings, &prepared.directory, Some(start.lsn))?;
    let configuration = captured::configuration(session.connection(), &prepared, &context.config, listener)?;

    let copy = copy::Copy::new(context, &prepared, start.lsn);
    let copying = Instant::now();
    let mut copied = copy.run(&mut session, &prepared, listener)?;
    let copy_seconds = copying.elapsed().as_secs_f64();
    let control_file = captured::control_file(&prepared.directory)?;
    let (stop, mut connection) = session.stop()?;
    let stopped = connection.now()?;
    let labels = captured::labels(&stop)?;
    let directories = captured::directories(&configuration);
    copied.merge(copy.contents(directories, configuration.into_iter().chain(labels).chain([control_file]).collect())?);

    warn_of_skipped(&copied, listener);
    listener.phase(Phase::WaitingForWal);
    let wal_broken_at = wal_arrival::wait(&mut connection, context, &prepared, (start, stop.lsn), listener)?;
    listener.phase(Phase::Committing);
    context.interrupt.check()?;
    let facts = commit::Facts { request, start, stop_lsn: stop.lsn, stopped, wal_broken_at };
    let summary = commit::commit(context, &prepared, &copied, copy.numbers(), facts)?;
    if request.hold.is_some() {
        // The backup is complete and expiry keeps it: this cannot undo that.
        let put = legal_hold::put(&prepared.opened.repository, &prepared.opened.keys, &summary);
        put.map_or_else(|error| listener.warning(error), drop);
    }
    drills::welcome_readers(&prepared.opened, listener);
    let mut backup = report(context, &prepared, summary, copied, connection);
    (backup.copy_seconds, backup.seconds) = (copy_seconds, began.elapsed().as_secs_f64());
    backup.copies = bring_others_up(context, listener)?;
    Ok(backup)
}

/// The repositories that must have it too. The backup is made, whatever becomes of its copies.
fn bring_others_up(context: &Context, listener: &dyn Listener) -> Result<Vec<Brought>> {
    let required = context.config.others.iter().filter(|other| other.required);
    let bring = |other: &config::Repository| match bring_up(context, other, &What::New, listener) {
        Err(error) if error.code == Code::Interrupted => Err(error),
        Err(error) => Ok(Brought::failed(&other.name, other.url.as_str(), context.addressed_error(error))),
        brought => brought,
    };
    required.map(bring).collect()
}

/// Refuses everything that would make the backup useless before the server is asked for one.
fn prepare(context: &Context) -> Result<(Prepared, Connection)> {
    let config = &context.config;
    let postgres = config.postgres()?;
    let opened_first = super::repository::open(config)?;
    required::refuse_away(config)?;
    let sealer = super::repository::sealer(config, opened_first.encryption())?;
    let signing_key = signing_key::read(config)?;
    let mut connection = Connection::open(postgres.connection.as_str())?;
    check_rights(&mut connection)?;
    let settings = Settings::read(&mut connection)?;
    check_archiving(&connection, &settings, &context.archive_command())?;
    let directory = DataDirectory::open(&postgres.data_dir)?;
    check_cluster(&mut connection, &settings, &directory, None)?;
    let opened = Opened::for_cluster(config, settings.system_identifier)?;
    let environment = Environment::read(&mut connection, &settings)?;
    push_histories(context, &opened, &sealer)?;
    let data_size = connection.data_size();
    let started = connection.now()?;
    let id = new_id(started)?;
    let prepared = Prepared { id, started, settings, environment, directory, data_size, opened, sealer, signing_key };
    Ok((prepared, connection))
}

/// A cluster that was promoted before pgcairn came has `.history` files that PostgreSQL archives no more.
fn push_histories(context: &Context, opened: &Opened, sealer: &Sealer) -> Result<()> {
    let (level, opened) = (context.config.backup.compression, opened.clone());
    Archive { opened, sealer: sealer.clone(), level }.push_histories(&context.config)
}

/// What no data directory should hold, and what PostgreSQL would not look for.
fn warn_of_skipped(copied: &Copied, listener: &dyn Listener) {
    for notice in &copied.notices {
        match notice {
            Notice::LinkSkipped { path, target } => {
                let message = format!("symbolic link {path} to {target} is not copied");
                listener.warning(
                    Error::new(Code::Flagged, message).hint("name its target under [backup] include if it is needed"),
                );
            }
            Notice::SpecialSkipped { path } => {
                listener.warning(
                    Error::new(Code::Flagged, format!("{path} is no regular file and not copied"))
                        .hint("PostgreSQL has no such file: see whose it is, and move it out of the data directory"),
                );
            }
            Notice::LinkReplaced { path, target } => {
                listener
                    .notice(format!("{path} is a symbolic link to {target}; a restored copy has a directory there"));
            }
            Notice::TablespaceInside { .. } | Notice::Vanished { .. } => {}
        }
    }
}

fn new_id(started: Timestamp) -> Result<BackupId> {
    let start = started.strftime("%Y%m%dT%H%M%SZ").to_string();
    BackupId::new(&start, "full", rand::random()).map_err(|e| Error::new(Code::Internal, e.to_string()))
}

fn report(context: &Context, prepared: &Prepared, summary: Summary, copied: Copied, connection: Connection) -> Backup {
    let next = match summary.is_flagged() {
        true => context.command(&format!("show {}", summary.id)),
        false => context.command("list"),
    };
    let mut names = RelationNames::new(connection);
    let flagged = copied.flagged.iter().map(|(file, page)| FlaggedPage {
        relation: relation_name(&mut names, *file).unwrap_or_else(|| page.path.clone()),
        path: page.path.clone(),
        block: page.block,
    });
    Backup {
        flagged: flagged.collect(),
        cluster: summary.cluster.to_string(),
        repository: prepared.opened.repository.url().to_owned(),
        timeline: summary.timeline,
        start_lsn: summary.start_lsn,
        stop_lsn: summary.stop_lsn,
        started: summary.started,
        stopped: summary.stopped,
        seconds: 0.0,
        copy_seconds: 0.0,
        files: summary.totals.files,
        data_bytes: summary.totals.data_bytes,
        stored_bytes: summary.totals.stored_bytes,
        vanished_files: summary.tolerated.vanished,
        shrunk_files: summary.tolerated.shrunk,
        skipped_files: summary.tolerated.skipped,
        flagged_pages: summary.flagged.count,
        wal_broken_at: summary.wal_broken_at,
        signed_by: prepared.signing_key.as_ref().map(SigningKey::public),
        copies: Vec::new(),
        id: summary.id,
        next,
    }
}

/// Only for people: without a name the path says enough.
fn relation_name(names: &mut RelationNames, file: RelationFile) -> Option<String> {
    names.lookup(file).ok().flatten()
}
