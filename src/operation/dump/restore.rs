//! `dump restore`: databases out of a dump, or parts of one. Each is made under a name of its own, filled by several sessions
//! at once, compared with what was dumped, and gets its name when all of it is there. What goes into a database that
//! is there goes in one transaction.

mod analyze;
mod archive;
mod existing;
mod globals;
mod load;
mod plan;
mod programs;
mod resume;
mod rows;
mod tablespaces;
mod transaction;

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::catalog;
use crate::flow::memory::share;
use crate::flow::stream_reader::StreamReader;
use crate::model::connection_string::ConnectionString;
use crate::model::dump::Part;
use crate::model::dump::selection::Wish;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::selector::Selector;
use crate::operation::chosen::Found;
use crate::operation::{Context, healed, repository, trust};
pub use programs::SETS_TRANSACTION_TIMEOUT;
pub use resume::Incomplete;

pub use crate::postgres::Owners;
use crate::postgres::{ClientPrograms, Connection, Publication, Purpose, Reach, Unfinished};
use crate::report::Listener;
use crate::report::dump_restore::{DumpRestore, RestoredDatabase, RestoredGlobals};
use archive::Selected;
use existing::Existing;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub dump: Selector,
    /// libpq's words for any database of the server.
    pub into: ConnectionString,
    /// From the name in the dump to the one it gets; none stands for all of them.
    pub databases: Vec<(String, String)>,
    pub globals: bool,
    /// Below it tablespaces are made, wherever they were.
    pub tablespaces_below: Option<PathBuf>,
    pub owners: Owners,
    /// What of it.
    pub wish: Wish,
    /// Into databases that are there.
    pub existing: bool,
    /// What has the name of something that is restored is dropped first; rows, where only rows are.
    pub clean: bool,
    /// A database of that name is kept under another one.
    pub replace: bool,
    pub agreed: bool,
    pub incomplete: Incomplete,
    pub accept_unsigned: bool,
    pub plan: bool,
    pub jobs: Option<usize>,
    /// Where `pg_restore` is.
    pub bindir: Option<PathBuf>,
    /// Where the key came from, if a flag said so.
    pub identity: Option<PathBuf>,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<DumpRestore> {
    restore(context, request, listener).map_err(catalog::of_dump)
}

fn restore(context: &Context, request: &Request, listener: &dyn Listener) -> Result<DumpRestore> {
    let began = Instant::now();
    let all = repository::open_all(&context.config, listener)?;
    let Found { opened, what: marker, .. } = catalog::find(context, &all, &request.dump, listener)?;
    let (keys, summary) = (&opened.keys, &marker.summary);
    let trusted = &context.trusted;
    let (thing, key) = (trust::Thing::dump(&summary.id), keys.dump(&summary.id));
    let signature = trust::refuse_signed(thing, &key, &marker.signed, trusted, request.accept_unsigned)?;
    trust::doubt(thing, &signature).into_iter().for_each(|doubt| listener.notice(doubt));
    let reader = opened.repository.reader();
    let objects = catalog::objects(&reader, keys, summary)?;
    let contents = catalog::contents(context, &opened, summary, &objects)?;
    let opener = opened.opener(context)?;
    let streams = StreamReader { reader: &reader, keys, dump: &summary.id, objects: &objects, opener: &opener };
    let mut server = Connection::open(request.into.text())?;
    server.caution().into_iter().for_each(|caution| listener.warning(caution));
    let mut wanted = plan::wanted(request, summary, &contents, &streams, &mut server)?;
    resume::look(request, &mut wanted, &mut server, listener)?;
    let globals = request.globals.then(|| globals::of(&contents)).transpose()?;
    let mut report = DumpRestore {
        dump: summary.id.clone(),
        signature,
        planned: request.plan,
        server: server.version().to_string(),
        schema_only: summary.schema_only,
        databases: wanted.iter().map(|wanted| wanted.planned(context.now)).collect(),
        globals: globals.map(|globals| RestoredGlobals::planned(globals.passwords)),
        seconds: 0.0,
        next: String::new(),
    };
    let programs = programs::find(&server, summary, request.bindir.as_deref())?;
    if request.plan {
        report.next = plan::without_plan(context, request, summary);
        return Ok(report);
    }
    let stop = Interrupt::default();
    let work = Work {
        context,
        listener,
        reach: server.reach(),
        programs: &programs,
        streams: &streams,
        owners: request.owners,
        has_roles: request.globals,
        incomplete: request.incomplete,
        tablespaces_below: request.tablespaces_below.as_deref(),
        jobs: share(request.jobs.unwrap_or_else(|| context.config.backup.jobs())).jobs,
        stop: &stop,
    };
    if let (Some(globals), Some(told)) = (globals, &mut report.globals) {
        work.globals(&mut server, globals, told)?;
    }
    work.databases(&mut server, &wanted, &mut report.databases)?;
    healed::say(&reader, listener);
    report.seconds = began.elapsed().as_secs_f64();
    let names = wanted.iter().map(|wanted| wanted.name.as_str());
    // In one that is there others are at work, with what is known by now.
    let how = if request.existing { "--analyze-only" } else { "--analyze-in-stages" };
    report.next = analyze::commands(request.into.text(), names, how);
    Ok(report)
}

/// A database that is to be.
pub struct Wanted<'c> {
    pub part: &'c Part,
    pub name: String,
    /// One of this name is there, and goes out of its way.
    pub replaces: bool,
    /// Where it is not simply all of it.
    pub choice: Option<Choice>,
    /// What it is while it has not got its name.
    pub purpose: Purpose,
    /// What a run before has left of it.
    pub unfinished: Option<Unfinished>,
}

/// What of a database is restored, and whereto.
pub struct Choice {
    pub selected: Selected,
    /// Of the database that is there.
    pub existing: Option<Existing>,
}

impl Wanted<'_> {
    fn is_new(&self) -> bool {
        self.choice.as_ref().is_none_or(|choice| choice.existing.is_none())
    }

    /// What the one that is there is called from then on.
    fn kept_as(&self, now: Timestamp) -> Option<String> {
        self.replaces.then(|| plan::aside(&self.name, now))
    }

    fn planned(&self, now: Timestamp) -> RestoredDatabase {
        let kept_as = self.kept_as(now);
        let resumed = self.unfinished.as_ref().filter(|left| left.is_begun()).map(|left| left.name.clone());
        let mut planned = RestoredDatabase { kept_as, resumed, ..RestoredDatabase::planned(self.part, &self.name) };
        if let Some(choice) = &self.choice {
            choice.selected.tell(self.part, &mut planned);
            planned.is_new = self.is_new();
            planned.replaced = choice.existing.iter().flat_map(|existing| existing.replaced.clone()).collect();
        }
        planned
    }
}

/// What all databases are restored with.
struct Work<'w> {
    context: &'w Context,
    listener: &'w dyn Listener,
    reach: Reach,
    programs: &'w ClientPrograms,
    streams: &'w StreamReader<'w>,
    owners: Owners,
    /// Those of the dump.
    has_roles: bool,
    incomplete: Incomplete,
    tablespaces_below: Option<&'w Path>,
    jobs: usize,
    /// Raised when one of the workers has failed, or the run is to end.
    stop: &'w Interrupt,
}

impl Work<'_> {
    /// One after the other. Where one fails, those before it stay, and are named.
    fn databases(&self, server: &mut Connection, wanted: &[Wanted<'_>], told: &mut [RestoredDatabase]) -> Result<()> {
        let mut done: Vec<&str> = Vec::new();
        for (wanted, told) in wanted.iter().zip(told) {
            let since = Instant::now();
            self.listener.notice(format!("dump restore: database {}", wanted.name));
            let loaded = match &wanted.choice {
                Some(Choice { selected, existing: Some(existing) }) => self.load_existing(wanted, selected, existing),
                _ => self.database(server, wanted, told),
            };
            loaded.map_err(|error| after(&done, error))?;
            told.seconds = since.elapsed().as_secs_f64();
            done.push(&wanted.name);
        }
        Ok(())
    }

    fn database(&self, server: &mut Connection, wanted: &Wanted<'_>, told: &mut RestoredDatabase) -> Result<()> {
        let (mut new, ledger) = self.begin(server, wanted)?;
        told.resumed = told.resumed.take().filter(|name| *name == new.name);
        let (part, selected) = (wanted.part, wanted.choice.as_ref().map(|choice| &choice.selected));
        let filled = self.fill((&mut new, &ledger), part, selected);
        let described = filled.and_then(|()| new.describe(&part.database));
        // It gets its name where nobody is connected.
        drop(ledger);
        if let Err(error) = described.and_then(|()| self.context.interrupt.check()) {
            return Err(match self.incomplete.is_kept(&error, &mut new) {
                true => new.keep(error),
                false => new.drop_again(self.about_roles(error)),
            });
        }
        let aside = wanted.kept_as(self.context.now);
        new.publish(
            &wanted.name,
            Publication {
                aside: aside.as_deref(),
                comment: part.database.comment.as_deref(),
                owner: (!self.owners.no_owner).then_some(part.database.owner.as_str()),
            },
        )
    }

    /// What most often fails another server's programs, beside what they say themselves.
    fn about_roles(&self, error: Error) -> Error {
        let Owners { no_owner, no_privileges, no_tablespaces } = self.owners;
        let flags = [
            (no_owner || self.has_roles, "--no-owner"),
            (no_privileges || self.has_roles, "--no-privileges"),
            (no_tablespaces, "--no-tablespaces"),
        ];
        let without: Vec<&str> = flags.into_iter().filter(|(is_given, _)| !is_given).map(|(_, flag)| flag).collect();
        if without.is_empty() || !matches!(error.code, Code::Dump | Code::BackupSession) {
            return error;
        }
        let globals = if self.has_roles { "" } else { "--globals, or " };
        error.and_hint(&format!("where it lacks a role or a tablespace: {globals}{}", without.join(" ")))
    }
}

fn after(done: &[&str], error: Error) -> Error {
    if done.is_empty() {
        return error;
    }
    error.and_hint(&format!("complete before it: {}; name the others by --database", done.join(", ")))
}
