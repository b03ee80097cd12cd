//! `dump restore`: databases out of a dump. Each is made under a name of its own, filled by several sessions at once,
//! counted against what was dumped, and gets its name when all of it is there.

mod load;
mod plan;

use std::path::PathBuf;
use std::time::Instant;

use super::catalog;
use crate::flow::memory::share;
use crate::flow::stream_reader::StreamReader;
use crate::model::dump::{Contents, Part};
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::selector::Selector;
use crate::operation::chosen::Found;
use crate::operation::{Context, healed, repository, trust};
pub use crate::postgres::Owners;
use crate::postgres::{ClientPrograms, Connection, NewDatabase, Reach};
use crate::report::Listener;
use crate::report::dump_restore::{DumpRestore, RestoredDatabase};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub dump: Selector,
    /// libpq's words for any database of the server.
    pub into: String,
    /// From the name in the dump to the one it gets; none stands for all of them.
    pub databases: Vec<(String, String)>,
    pub globals: bool,
    pub owners: Owners,
    /// A database of that name is kept under another one.
    pub replace: bool,
    pub agreed: bool,
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
    let Found { opened, what: marker, .. } = catalog::find(context, &all, &request.dump)?;
    let (keys, summary) = (&opened.keys, &marker.summary);
    let trusted = &context.trusted;
    let (what, key) = (("dump", &summary.id), keys.dump(&summary.id));
    trust::refuse_signed(what, &key, &marker.signed, trusted, request.accept_unsigned)?;
    let reader = opened.repository.reader();
    let objects = catalog::objects(&reader, keys, summary)?;
    let contents = catalog::contents(context, &opened, summary, &objects)?;
    let mut server = Connection::open(&request.into)?;
    let wanted = plan::wanted(request, summary, &contents, &mut server)?;
    let mut report = DumpRestore {
        dump: summary.id.clone(),
        planned: request.plan,
        server: server.version().to_string(),
        databases: wanted.iter().map(|wanted| RestoredDatabase::planned(wanted.part, &wanted.name)).collect(),
        globals: request.globals,
        seconds: 0.0,
        next: String::new(),
    };
    if request.plan {
        report.next = plan::without_plan(context, request, summary);
        return Ok(report);
    }
    let programs =
        ClientPrograms::find(server.version().major().max(summary.pg_dump_major), request.bindir.as_deref())?;
    let opener = opened.opener(context)?;
    let streams = StreamReader { reader: &reader, keys, dump: &summary.id, objects: &objects, opener: &opener };
    let stop = Interrupt::default();
    let work = Work {
        context,
        listener,
        reach: server.reach(),
        programs: &programs,
        streams: &streams,
        owners: request.owners,
        has_roles: request.globals,
        jobs: share(request.jobs.unwrap_or_else(|| context.config.backup.jobs())).jobs,
        stop: &stop,
    };
    if request.globals {
        work.globals(&contents)?;
    }
    for (wanted, told) in wanted.iter().zip(&mut report.databases) {
        let since = Instant::now();
        listener.notice(format!("dump restore: database {}", wanted.name));
        told.kept_as = work.database(&mut server, wanted)?;
        told.seconds = since.elapsed().as_secs_f64();
    }
    healed::say(&reader, listener);
    report.seconds = began.elapsed().as_secs_f64();
    report.next = plan::then(&wanted, &request.into);
    Ok(report)
}

/// A database that is to be.
pub struct Wanted<'c> {
    pub part: &'c Part,
    pub name: String,
    /// One of this name is there.
    pub replaces: bool,
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
    jobs: usize,
    /// Raised when one of the workers has failed, or the run is to end.
    stop: &'w Interrupt,
}

impl Work<'_> {
    fn database(&self, server: &mut Connection, wanted: &Wanted<'_>) -> Result<Option<String>> {
        let mut new = NewDatabase::create(server, &wanted.part.database)?;
        let filled = self.fill(&new.name, wanted.part).and_then(|()| match self.owners.no_owner {
            true => Ok(()),
            false => new.give_to(&wanted.part.database.owner),
        });
        if let Err(error) = filled.and_then(|()| self.context.interrupt.check()) {
            return Err(new.drop_again(self.about_roles(error)));
        }
        let aside = wanted.replaces.then(|| plan::aside(&wanted.name, self.context.now));
        match new.publish(&wanted.name, aside.as_deref()) {
            Ok(()) => Ok(aside),
            Err(error) => Err(new.drop_again(error)),
        }
    }

    /// What most often fails another server's programs.
    fn about_roles(&self, error: Error) -> Error {
        let names_roles = !self.owners.no_owner || !self.owners.no_privileges;
        match error.code {
            Code::Dump | Code::BackupSession if names_roles && !self.has_roles => {
                error.hint("roles that it names must be there: --globals; or do without: --no-owner --no-privileges")
            }
            _ => error,
        }
    }

    /// Roles that are there already are no failure.
    fn globals(&self, contents: &Contents) -> Result<()> {
        let stream = contents.globals.as_ref().ok_or_else(|| Error::new(Code::NotFound, "the dump has no roles"))?;
        let mut psql = self.programs.globals_in(&self.reach)?;
        self.streams.read(stream, |bytes| psql.feed(bytes, &self.context.interrupt))?;
        for line in psql.finish_with_words(&self.context.interrupt)? {
            if !line.contains("already exists") {
                self.listener.warning(Error::new(Code::Flagged, format!("psql says: {line}")));
            }
        }
        Ok(())
    }
}
