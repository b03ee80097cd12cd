//! `restore --table`: tables out of a backup, without its cluster. All of the backup is restored into a scratch directory
//! ([why all](../../docs/decisions/0014-one-table.md)) and brought to the target by a server that is cut off from
//! everything; then the tables are dumped into a file, or loaded into a live database below a schema of their own.
//!
//! What lies in the live database is never written to: the tables arrive in one transaction, or not at all.

mod destination;
mod family;
mod file;
mod find;
mod live;
mod needs;
mod put_back;
mod set_apart;
mod words;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Context;
use super::restore::{self, Restored, Start, StoppedCopy, TimelineChoice};
use super::scratch::{self, Deadline, Kind, Place, Steps};
use crate::model::connection_string::ConnectionString;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::interrupted;
use crate::model::plan::target::Target;
use crate::model::selector::Selector;
use crate::model::table_name::TableName;
use crate::postgres::{Installation, ScratchServer};
use crate::report::Listener;
use crate::report::drill::{REPLAY, RESTORE, Span};
use crate::report::restore::Plan;
use crate::report::restore_table::{RestoredTables, Table};
use family::Family;
use file::Files;
use live::Live;

const KIND: Kind = Kind { prefix: "pgcairn-table.", words: "a restore of tables" };
/// Nobody has said for how long; a signal ends it.
const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub tables: Vec<TableName>,
    pub to: Destination,
    pub target: Target,
    pub timeline: TimelineChoice,
    /// The backup to begin with; `None` chooses the last one before the target.
    pub backup: Option<Selector>,
    /// Below it the copy is made; absolute.
    pub scratch: PathBuf,
    pub start: Start,
    pub accept_unsigned: bool,
    /// Only the plan.
    pub plan: bool,
    pub jobs: Option<std::num::NonZeroU16>,
    /// Where the keys of the context came from, if a flag said so.
    pub identity: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Absolute; a script where it ends with `.sql`, else an archive for `pg_restore`.
    File(PathBuf),
    Live(ConnectionString),
}

/// Whatever ends it, a failure or a signal too: the server is stopped, the copy removed, and nothing is half there.
pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<RestoredTables> {
    destination::refuse(request)?;
    file::names(request)?;
    if request.plan {
        return plan(context, request, listener);
    }
    let files = Files::begin(request)?;
    let place = Place::make(&request.scratch, &KIND, listener)?;
    let copy = place.data();
    let worked = Deadline::run(&context.interrupt, NO_LIMIT, |deadline| {
        let within = Context { interrupt: deadline.interrupt().clone(), ..context.clone() };
        Work::new(&within, request, &place, deadline, listener).run(files)
    });
    if let Err(left) = place.close(false) {
        listener.warning(Error { code: Code::Flagged, ..left });
    }
    match worked {
        Err(_) if context.interrupt.is_raised() => Err(interrupted()),
        worked => worked.map_err(|error| elsewhere(error, &copy, request)),
    }
}

/// A restore tells of the directory that it was to fill, which is no name for a person.
fn elsewhere(error: Error, copy: &Path, request: &Request) -> Error {
    let path = |path: &Path| path.display().to_string();
    match error.code {
        Code::DiskSpace => Error { message: error.message.replace(&path(copy), &path(&request.scratch)), ..error }
            .hint("free space, or make the copy on another disk: --scratch DIR"),
        _ => error,
    }
}

fn plan(context: &Context, request: &Request, listener: &dyn Listener) -> Result<RestoredTables> {
    let began = Instant::now();
    // Nothing is made there.
    let place = request.scratch.join(KIND.prefix);
    let asked = asked(request, place.join("data"), place.join("tablespaces"));
    let mut live = None;
    let restored = restore::perform_agreed(context, &asked, listener, |plan, installation| {
        live = Some(agree(context, request, plan, installation)?);
        Ok(())
    });
    let restored = restored.map_err(|error| elsewhere(error, &asked.target_dir, request))?;
    let mut report = words::begin(context, request, &restored, live.flatten().as_ref());
    report.next = words::again(context, request, &asked);
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

fn asked(request: &Request, data: PathBuf, tablespaces: PathBuf) -> restore::Request {
    restore::Request {
        backup: request.backup.clone(),
        timeline: request.timeline,
        start: Some(request.start.clone()),
        accept_unsigned: request.accept_unsigned,
        plan: request.plan,
        jobs: request.jobs,
        ..scratch::request(data, tablespaces, request.target.clone())
    }
}

/// What would make all of the work worth nothing, looked for before it begins.
fn agree(
    context: &Context,
    request: &Request,
    plan: &Plan,
    installation: Option<&Installation>,
) -> Result<Option<Live>> {
    let installation = installation.ok_or_else(|| Error::new(Code::Internal, "a copy that is not to be started"))?;
    destination::refuse_programs(request, installation)?;
    match &request.to {
        Destination::File(_) => Ok(None),
        Destination::Live(connection) => {
            let live = Live::look(installation, connection, request, plan, &context.interrupt)?;
            live.refuse(installation).map(|()| Some(live))
        }
    }
}

/// The work on one copy.
struct Work<'a> {
    context: &'a Context,
    request: &'a Request,
    place: &'a Place,
    deadline: &'a Deadline,
    listener: &'a dyn Listener,
    began: Instant,
    phases: Vec<Span>,
}

impl<'a> Work<'a> {
    fn new(
        context: &'a Context,
        request: &'a Request,
        place: &'a Place,
        deadline: &'a Deadline,
        listener: &'a dyn Listener,
    ) -> Work<'a> {
        Work { context, request, place, deadline, listener, began: Instant::now(), phases: Vec::new() }
    }

    fn run(mut self, files: Files) -> Result<RestoredTables> {
        let (restored, live) = self.restore()?;
        let copy = restored.copy.as_ref().ok_or_else(|| Error::new(Code::Internal, "nothing was restored"))?;
        let mut report = words::begin(self.context, self.request, &restored, live.as_ref());
        let (server, recovery) =
            self.step(REPLAY, |work| scratch::replay(work.place, copy, work.deadline.interrupt(), work.listener))?;
        let reached = scratch::reached(&self.request.target, &restored, &recovery);
        report.reached = Some(reached.map_err(|words| Error::new(Code::TargetUnreachable, words))?);
        let families = self.step("find the tables", |work| {
            let databases = scratch::open(&server, work.deadline)?;
            find::all(&server, &databases, work.request, &restored.plan, work.deadline)
        })?;
        match live {
            Some(live) => self.load(copy, &server, families, &live, &mut report)?,
            None => self.dump(copy, &server, families, files, &mut report)?,
        }
        report.read_bytes = restored.opened.repository.reader().bytes_read();
        report.phases = self.phases;
        report.seconds = self.began.elapsed().as_secs_f64();
        Ok(report)
    }

    fn restore(&mut self) -> Result<(Restored, Option<Live>)> {
        let asked = asked(self.request, self.place.data(), self.place.tablespaces());
        let (steps, mut live) = (Steps::new(self.listener, self.began), None);
        let (context, request) = (self.context, self.request);
        let restored = self.step(RESTORE, |_| {
            restore::perform_agreed(context, &asked, &steps, |plan, installation| {
                live = agree(context, request, plan, installation)?;
                Ok(())
            })
        })?;
        self.phases.extend(steps.phases());
        Ok((restored, live))
    }

    /// Each database into a file of its own.
    fn dump(
        &mut self,
        copy: &StoppedCopy,
        server: &ScratchServer,
        families: Vec<Family>,
        mut files: Files,
        report: &mut RestoredTables,
    ) -> Result<()> {
        for family in &families {
            let counted = self.step("count the rows", |work| family.count(server, work.deadline))?;
            report.tables.extend(counted);
            report.needs.extend(needs::outside(server, family)?.into_iter().map(|need| need.words));
            report.left_out.extend(family.lost.iter().cloned());
            self.step("dump", |work| files.dump(copy, server, family, work.place, work.deadline))?;
        }
        files.finish()?;
        words::of_files(report, copy, &families, &files);
        Ok(())
    }

    fn load(
        &mut self,
        copy: &StoppedCopy,
        server: &ScratchServer,
        families: Vec<Family>,
        live: &Live,
        report: &mut RestoredTables,
    ) -> Result<()> {
        let [family] = families.as_slice() else {
            return Err(Error::new(Code::Internal, "tables of several databases came together"));
        };
        family.refuse_same_names()?;
        let interrupt = self.deadline.interrupt();
        let left_out =
            self.step("set apart", |work| set_apart::run(copy, server, family, &live.schema, work.deadline))?;
        report.left_out.extend(family.lost.iter().cloned().chain(left_out));
        let needs = needs::outside(server, family)?;
        live.refuse_lacking(&copy.installation, &needs, interrupt)?;
        report.needs.extend(needs.into_iter().map(|need| need.words));
        let moved = family.below(&live.schema);
        let counted: Vec<Table> = self.step("count the rows", |work| moved.count(server, work.deadline))?;
        let expected = moved.rows();
        let loaded = self.step("load", |_| live.load(copy, server, &moved, &expected, interrupt))?;
        report.tables = words::with_loaded(counted, &moved, &loaded);
        words::of_live(report, copy, live, put_back::statements(server, family, live)?);
        Ok(())
    }

    fn step<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.deadline.interrupt().check()?;
        self.listener.notice(format!("table: {name}"));
        let (at, from_seconds) = (self.phases.len(), self.began.elapsed().as_secs_f64());
        let done = work(self)?;
        let seconds = self.began.elapsed().as_secs_f64() - from_seconds;
        // In front of its steps.
        self.phases.insert(at, Span { name: name.to_owned(), from_seconds, seconds });
        Ok(done)
    }
}
