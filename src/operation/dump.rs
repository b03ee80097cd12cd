//! `dump`: logical dumps of a live server, database by database.
//!
//! Each database is read under one snapshot: its schema and all that is small by `pg_dump`, large tables by several
//! sessions at once. Everything streams into the repositories in pieces; the marker comes last.

mod catalog;
mod commit;
mod database;
mod globals;
pub mod list;
pub mod restore;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::repository::{self, Opened};
use super::{Context, signing_key};
use crate::codec::Sealer;
use crate::flow::memory::{Share, share};
use crate::flow::part_writer::OutwardError;
use crate::flow::stream_writer::PieceContext;
use crate::flow::throttle::Throttle;
use crate::flow::upload::{Uploads, with_putters};
use crate::model::dump::{Contents, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::key::BackupId;
use crate::model::signature::SigningKey;
use crate::postgres::{ClientPrograms, Connection, DumpServer, DumpedDatabase, Manner};
use crate::report::Listener;
use crate::report::dump::Dump;
use crate::store::Creator;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Patterns of names; none stands for all.
    pub databases: Vec<String>,
    pub exclude: Vec<String>,
    pub schema_only: bool,
    pub labels: BTreeMap<String, String>,
    pub lock_timeout: Duration,
    /// Where `pg_dump` is.
    pub bindir: Option<PathBuf>,
}

/// Everything that is known before anything is read.
struct Prepared {
    id: BackupId,
    server: DumpServer,
    databases: Vec<DumpedDatabase>,
    programs: ClientPrograms,
    manner: Manner,
    opened: Opened,
    /// Every repository that gets it.
    destinations: Vec<Opened>,
    sealer: Sealer,
    signing_key: Option<SigningKey>,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Dump> {
    let began = Instant::now();
    let (prepared, mut connection) = prepare(context, request, listener)?;
    let creators: Vec<Creator> = prepared.destinations.iter().map(|opened| opened.repository.creator()).collect();
    let Share { jobs, pack_limit } = share(context.config.backup.jobs());
    let numbers = AtomicU32::new(0);
    let pieces = PieceContext {
        dump: &prepared.id,
        keys: &prepared.opened.keys,
        sealer: &prepared.sealer,
        numbers: &numbers,
        level: context.config.backup.compression,
        limit: pack_limit,
    };
    let read = AtomicU64::new(0);
    let stop = Interrupt::default();
    let throttle = Throttle::new(context.config.backup.max_rate);
    let dumped = with_putters(&creators, jobs, |uploads| {
        let run = Run { context, prepared: &prepared, pieces, uploads, jobs, read: &read, stop, throttle, listener };
        run.dump(&mut connection).map_err(|error| OutwardError::Refused(Box::new(error)))
    });
    let (dumped, objects) = dumped.map_err(Error::from)?;
    let finished = connection.now()?;
    context.interrupt.check()?;
    let written = commit::Written { dumped, objects, pieces: numbers.load(Ordering::Relaxed), finished };
    let summary = commit::commit(context, request, &prepared, written)?;
    Ok(report(context, &prepared, summary, began))
}

/// What was dumped, before it is committed.
pub struct Dumped {
    pub contents: Contents,
    /// Whether the passwords of roles are among it.
    pub passwords: bool,
}

/// One dump at work.
struct Run<'a> {
    context: &'a Context,
    prepared: &'a Prepared,
    pieces: PieceContext<'a>,
    uploads: Uploads<'a>,
    jobs: usize,
    /// Bytes that were read so far.
    read: &'a AtomicU64,
    /// Raised when one of the workers has failed, or the run is to end.
    stop: Interrupt,
    throttle: Throttle,
    listener: &'a dyn Listener,
}

impl Run<'_> {
    fn dump(&self, connection: &mut Connection) -> Result<Dumped> {
        let (globals, passwords) = self.globals(connection)?;
        let mut contents = Contents { globals: Some(globals), databases: Vec::new() };
        for database in &self.prepared.databases {
            self.context.interrupt.check()?;
            self.listener.notice(format!("dump: database {}", database.name));
            contents.databases.push(self.database(connection, database)?);
        }
        Ok(Dumped { contents, passwords })
    }
}

/// Refuses everything that would make the dump useless before the server is asked for rows.
fn prepare(context: &Context, request: &Request, listener: &dyn Listener) -> Result<(Prepared, Connection)> {
    let config = &context.config;
    let opened_first = repository::open(config)?;
    let sealer = repository::sealer(config, opened_first.encryption())?;
    let signing_key = signing_key::read(config)?;
    let mut connection = Connection::open(config.postgres()?.connection.as_str())?;
    let server = connection.dump_server()?;
    let programs = ClientPrograms::find(server.version.major(), request.bindir.as_deref())?;
    let databases = chosen(request, connection.dumped_databases()?)?;
    let opened = Opened::for_cluster(config, server.system_identifier)?;
    let destinations = destinations(context, &opened, listener)?;
    let start = server.now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let id = BackupId::of_dump(&start, rand::random()).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    let manner = Manner { lock_timeout: request.lock_timeout, schema_only: request.schema_only };
    let prepared = Prepared { id, server, databases, programs, manner, opened, destinations, sealer, signing_key };
    Ok((prepared, connection))
}

/// The first, and all others that take everything. One that need not be there may be away.
fn destinations(context: &Context, first: &Opened, listener: &dyn Listener) -> Result<Vec<Opened>> {
    let config = &context.config;
    let mut destinations = vec![first.clone()];
    for other in config.others.iter().filter(|other| other.keep.is_none()) {
        match Opened::of_cluster(config, other, first.system_identifier) {
            Ok(opened) => {
                let pair = ((&config.repository, first.repository.clone()), (other, opened.repository.clone()));
                repository::alike(&pair.0, &pair.1)?;
                repository::distinct(&pair.0, &pair.1)?;
                destinations.push(opened);
            }
            Err(error) if other.required || error.code == Code::Interrupted => return Err(error),
            Err(error) => {
                let message = format!("repository {} does not get this dump: {}", other.name, error.message);
                listener.warning(Error { message, code: Code::Flagged, ..error });
            }
        }
    }
    Ok(destinations)
}

fn chosen(request: &Request, all: Vec<DumpedDatabase>) -> Result<Vec<DumpedDatabase>> {
    let fits = |pattern: &String, name: &str| wildmatch::WildMatch::new(pattern).matches(name);
    for pattern in &request.databases {
        if !all.iter().any(|database| fits(pattern, &database.name)) {
            let names: Vec<&str> = all.iter().map(|database| database.name.as_str()).collect();
            let message = format!("the server has no database \"{pattern}\"");
            return Err(Error::new(Code::NotFound, message).hint(format!("it has {}", names.join(", "))));
        }
    }
    let is_wanted = |database: &DumpedDatabase| {
        let named = request.databases.is_empty() || request.databases.iter().any(|p| fits(p, &database.name));
        named && !request.exclude.iter().any(|p| fits(p, &database.name))
    };
    let chosen: Vec<DumpedDatabase> = all.into_iter().filter(is_wanted).collect();
    if chosen.is_empty() {
        return Err(Error::new(Code::Usage, "no database is left to dump").hint("fewer --exclude"));
    }
    Ok(chosen)
}

fn report(context: &Context, prepared: &Prepared, summary: Summary, began: Instant) -> Dump {
    let next = context.command(&format!("dump show {}", summary.id));
    Dump {
        repositories: prepared.destinations.iter().map(|opened| opened.repository.url().to_owned()).collect(),
        signed_by: prepared.signing_key.as_ref().map(SigningKey::public),
        seconds: began.elapsed().as_secs_f64(),
        cluster: summary.cluster.to_string(),
        id: summary.id,
        started: summary.started,
        finished: summary.finished,
        schema_only: summary.schema_only,
        databases: summary.totals.databases,
        tables: summary.totals.tables,
        rows: summary.totals.rows,
        data_bytes: summary.totals.data_bytes,
        stored_bytes: summary.totals.stored_bytes,
        next,
    }
}
