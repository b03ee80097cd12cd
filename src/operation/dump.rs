//! `dump`: logical dumps of a live server, database by database.
//!
//! Each database is read under one snapshot: its schema and all that is small by `pg_dump`, large tables by several
//! sessions at once. Everything streams into the repositories in pieces; the marker comes last.

pub mod catalog;
mod commit;
mod database;
mod globals;
pub mod list;
pub mod restore;
mod stream;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::repository::{self, Opened};
use super::{Context, drills, legal_hold, signing_key};
use crate::codec::Sealer;
use crate::flow::memory::{Share, share};
use crate::flow::part_writer::OutwardError;
use crate::flow::stream_writer::PieceContext;
use crate::flow::throttle::Throttle;
use crate::flow::upload::{Uploads, with_putters};
use crate::model::deletion::MAX_CLOCK_SKEW;
use crate::model::dump::{Contents, Summary, quoted};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::key::BackupId;
use crate::model::shell_word::shell_word;
use crate::model::signature::SigningKey;
pub use crate::postgres::MAX_LOCK_TIMEOUT;
use crate::postgres::{ClientPrograms, Connection, DumpServer, DumpedDatabase, Manner, Need};
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
    /// The reason of a hold that the dump is born with.
    pub hold: Option<String>,
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
    drills::welcome_readers(&prepared.opened, listener);
    let creators: Vec<Creator> = prepared.destinations.iter().map(|opened| opened.repository.creator()).collect();
    let Share { jobs, pack_limit } = share(context.config.backup.jobs());
    let numbers = AtomicU32::new(0);
    let pieces = PieceContext {
        dump: &prepared.id,
        keys: &prepared.opened.keys,
        sealer: &prepared.sealer,
        numbers: &numbers,
        level: context.config.dump_compression(),
        limit: pack_limit,
    };
    let read = AtomicU64::new(0);
    let stop = Interrupt::default();
    let throttle = Throttle::new(context.config.backup.max_rate);
    let dumped = with_putters(&creators, jobs, |uploads| {
        let named = request.databases.as_slice();
        let run =
            Run { context, prepared: &prepared, named, pieces, uploads, jobs, read: &read, stop, throttle, listener };
        run.dump(&mut connection).map_err(|error| OutwardError::Refused(Box::new(error)))
    });
    let (contents, objects) = dumped.map_err(Error::from)?;
    let finished = connection.now()?;
    context.interrupt.check()?;
    let written = commit::Written { contents, objects, pieces: numbers.load(Ordering::Relaxed), finished };
    let summary = commit::commit(context, request, &prepared, written)?;
    if request.hold.is_some() {
        // The dump is complete and expiry keeps it: this cannot undo that.
        for Opened { repository, keys, .. } in &prepared.destinations {
            let put = legal_hold::put_on_dump(repository, keys, &summary);
            put.map_or_else(|error| listener.warning(error), drop);
        }
    }
    Ok(report(context, &prepared, summary, began))
}

/// One dump at work.
struct Run<'a> {
    context: &'a Context,
    prepared: &'a Prepared,
    /// Databases as they were asked for, patterns included.
    named: &'a [String],
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
    fn dump(&self, connection: &mut Connection) -> Result<Contents> {
        let globals = self.globals(connection)?;
        let mut contents = Contents { globals: Some(globals), databases: Vec::new() };
        let mut later: u64 = self.prepared.databases.iter().map(|database| database.bytes).sum();
        for database in &self.prepared.databases {
            self.context.interrupt.check()?;
            self.listener.notice(format!("dump: database {}", database.name));
            later = later.saturating_sub(database.bytes);
            match self.database(connection, database, later) {
                Ok(part) => contents.databases.push(part),
                Err(error) if error.code != Code::Interrupted && self.is_gone(connection, database)? => {
                    self.listener.notice(format!("dump: database {} was dropped meanwhile", database.name));
                }
                Err(error) => return Err(error),
            }
        }
        if contents.databases.is_empty() {
            return Err(Error::new(Code::Dump, "every database that was to be dumped was dropped meanwhile"));
        }
        Ok(contents)
    }
}

impl Run<'_> {
    /// Of one that was asked for by its name that is a failure.
    fn is_gone(&self, connection: &mut Connection, database: &DumpedDatabase) -> Result<bool> {
        Ok(!self.named.contains(&database.name) && !connection.has_database(&database.name)?)
    }
}

/// Refuses everything that would make the dump useless before the server is asked for rows.
fn prepare(context: &Context, request: &Request, listener: &dyn Listener) -> Result<(Prepared, Connection)> {
    let config = &context.config;
    let opened_first = repository::open(config)?;
    let sealer = repository::sealer(config, opened_first.encryption())?;
    let signing_key = signing_key::read(config)?;
    let mut connection = Connection::open(config.connection()?.as_str())?;
    connection.caution().into_iter().for_each(|caution| listener.warning(caution));
    let server = connection.dump_server()?;
    clocks_differ(server.now, context.now).into_iter().for_each(|caution| listener.warning(caution));
    let programs = programs(server.version.major(), request, listener)?;
    for leftover in connection.leftover_databases()? {
        listener.notice(format!("dump: not of database {leftover}, of which only a part is there"));
    }
    let databases = chosen(request, connection.dumped_databases()?)?;
    refuse_closed(&databases)?;
    let opened = Opened::for_cluster(config, server.system_identifier)?;
    let destinations = destinations(context, &opened, listener)?;
    let start = server.now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let id = BackupId::of_dump(&start, rand::random()).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    let manner = Manner { lock_timeout: request.lock_timeout, schema_only: request.schema_only };
    let prepared = Prepared { id, server, databases, programs, manner, opened, destinations, sealer, signing_key };
    Ok((prepared, connection))
}

/// How old a dump is, expiry reckons from the server's clock.
fn clocks_differ(server: Timestamp, host: Timestamp) -> Option<Error> {
    let apart = server.duration_since(host).abs();
    (apart > MAX_CLOCK_SKEW).then(|| {
        let message = format!("the server's clock says {server:.0}, this host's {host:.0}");
        Error::new(Code::Flagged, message).hint("set the wrong one: expire goes by when a dump says that it was made")
    })
}

fn programs(server: u32, request: &Request, listener: &dyn Listener) -> Result<ClientPrograms> {
    let because = format!("the server is PostgreSQL {server}");
    let need = Need { major: server, because: &because, program: "pg_dump" };
    let programs = ClientPrograms::find(&need, request.bindir.as_deref())?;
    let first = restore::SETS_TRANSACTION_TIMEOUT;
    if programs.major >= first && server < first {
        let major = programs.major;
        let message =
            format!("{because}, and what pg_dump {major} dumps of it can be loaded into {first} or newer alone");
        let hint = format!("apt-get install postgresql-client-{server}, or --bindir DIR where pg_dump {server} is");
        listener.warning(Error::new(Code::Flagged, message).hint(hint));
    }
    Ok(programs)
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

/// A dump that lacks one without a word would be taken for all of them.
fn refuse_closed(databases: &[DumpedDatabase]) -> Result<()> {
    let closed: Vec<&DumpedDatabase> = databases.iter().filter(|database| !database.may_connect).collect();
    let Some(first) = closed.first() else { return Ok(()) };
    let names = closed.iter().map(|database| database.name.as_str()).collect::<Vec<_>>().join(", ");
    let leave_out: Vec<String> =
        closed.iter().map(|database| format!("--exclude {}", shell_word(&database.name))).collect();
    let message = format!("role {} may not connect to {names}", first.asked_by);
    let grant = format!("GRANT CONNECT ON DATABASE {} TO {}", quoted(&first.name), quoted(&first.asked_by));
    Err(Error::new(Code::Permission, message)
        .hint(format!("what belongs to the provider is left out: {}; else: {grant}", leave_out.join(" "))))
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
