//! `drill`: a restore that is started, replayed and checked, and taken away again. A backup is worth what its last
//! restore has proven, and so is a dump, which is loaded into a server of its own.
//!
//! Everything happens in a directory of its own, by a server that is cut off from everything outside of it
//! ([`crate::postgres::ScratchServer`]). What fails is a result, with its reason; what could not be looked at is said to
//! be not checked.

mod again;
mod assertions;
mod check;
mod dump;
mod everything;
mod extensions;
mod live;
mod objectives;
mod page;
mod record;
mod relations;
mod rows;
mod target;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Context;
use super::repository::Opened;
use super::restore::{self, Restored, Start, StoppedCopy};
use super::scratch::{self, Deadline, Kind, Place, Steps};
use crate::model::error::{Code, Error, Result};
use crate::model::plan::target::Target as RecoveryTarget;
use crate::model::recovery_log::RecoveryLog;
use crate::model::selector::Selector;
use crate::model::timestamp::TimestampTz;
use crate::postgres::ScratchServer;
use crate::report::drill::{Check, Drill, LOAD, Of, REPLAY, RESTORE, Span};
use crate::report::{self, Listener};
use check::Finding;
use page::Page;
use relations::Brought;

const KIND: Kind = Kind { prefix: "pgcairn-drill.", words: "a drill" };

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub what: What,
    /// Below it the copy is made; absolute.
    pub scratch: PathBuf,
    pub start: Start,
    pub accept_unsigned: bool,
    /// Where the result is also written, for a browser; absolute.
    pub page: Option<PathBuf>,
    /// Leave the copy where it is, its server stopped.
    pub keep: bool,
    /// Of the whole drill.
    pub limit: Duration,
    /// Where the keys of the context came from, if a flag said so.
    pub identity: Option<PathBuf>,
}

/// What is drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The backups to the end of all WAL, and the newest dump, as far as there are such.
    Everything,
    Backup {
        target: Target,
        /// The one to begin with; `None` chooses the last one before the target.
        backup: Option<Selector>,
    },
    Dump(Which),
}

/// To which moment a backup is brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// All WAL there is.
    Latest,
    /// Any moment that can be restored.
    Random,
    At(TimestampTz),
    /// The end of the backup that is named.
    Backup,
}

/// Of the dumps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Random,
    Named(Selector),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Random => f.write_str("random"),
            Which::Named(selector) => selector.fmt(f),
        }
    }
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Drill> {
    let began = Instant::now();
    let subjects = everything::subjects(context, &request.what)?;
    let page = request.page.as_deref().map(Page::begin).transpose()?;
    let mut reports = Vec::new();
    for subject in &subjects {
        let spent = began.elapsed();
        let now = context.now.checked_add(spent).unwrap_or(context.now);
        let context = Context { now, ..context.clone() };
        reports.push(one(&context, request, subject, request.limit.saturating_sub(spent), listener)?);
    }
    let report = everything::together(reports)?;
    if let Some(page) = page {
        page.finish(&report, listener);
    }
    Ok(report)
}

/// What one copy is made of.
enum Subject {
    Backup { asked: Target, target: RecoveryTarget, backup: Option<Selector> },
    Dump(Which),
}

/// Whatever ends it, a failure or a signal too: the server is stopped, and what was made is removed.
fn one(
    context: &Context,
    request: &Request,
    subject: &Subject,
    limit: Duration,
    listener: &dyn Listener,
) -> Result<Drill> {
    let place = Place::make(&request.scratch, &KIND, listener)?;
    let played = Deadline::run(&context.interrupt, limit, |deadline| {
        let within = Context { interrupt: deadline.interrupt().clone(), ..context.clone() };
        let mut stage = Stage::new(&within, request, subject, &place, deadline, listener);
        stage.play(subject);
        let Stage { report, origin, is_about_backups, needs_key, .. } = stage;
        Played { report, origin, is_about_backups, needs_key }
    });
    context.interrupt.check()?;
    let Played { mut report, origin, is_about_backups, needs_key } = played;
    match place.close(request.keep) {
        Ok(None) => report.enter.clear(),
        Ok(kept) => report.kept = kept,
        Err(error) => report.tell("clean up", Finding::failed(error.message)),
    }
    report.passed = report.holds();
    report.next = context.command(&again::next(context, request, subject, &report, needs_key));
    if is_about_backups {
        record::keep(context, subject, &mut report, origin.as_ref(), listener);
    }
    Ok(report)
}

/// What came of it.
struct Played {
    report: Drill,
    /// Where the copy came from.
    origin: Option<Opened>,
    is_about_backups: bool,
    needs_key: bool,
}

impl Drill {
    fn tell(&mut self, name: &str, finding: Finding) {
        let Finding { outcome, details } = finding;
        self.checks.push(Check { name: name.to_owned(), outcome, details });
    }
}

/// No key, no PostgreSQL, no room, nothing that was asked for: what is stored may be as good as ever.
fn is_about_backups(context: &Context, error: &Error) -> bool {
    let of_host = [Code::Refused, Code::DiskSpace, Code::NotFound, Code::Permission];
    !of_host.contains(&error.code) && (error.code != Code::Identity || context.identities.is_some())
}

/// Where the drill is played, and what came of it so far.
struct Stage<'a> {
    context: &'a Context,
    request: &'a Request,
    place: &'a Place,
    deadline: &'a Deadline,
    listener: &'a dyn Listener,
    began: Instant,
    report: Drill,
    /// Where the copy comes from.
    origin: Option<Opened>,
    /// `false` where this host or the arguments were at fault, which stays on no record.
    is_about_backups: bool,
    /// There was none, or one that opens nothing.
    needs_key: bool,
}

impl<'a> Stage<'a> {
    fn new(
        context: &'a Context,
        request: &'a Request,
        subject: &Subject,
        place: &'a Place,
        deadline: &'a Deadline,
        listener: &'a dyn Listener,
    ) -> Stage<'a> {
        let report = Drill {
            of: match subject {
                Subject::Backup { .. } => Of::Backup,
                Subject::Dump(_) => Of::Dump,
            },
            cluster: context.config.name.as_ref().map(ToString::to_string),
            repository: context.config.repositories().map(|r| r.name.clone()).collect::<Vec<_>>().join(", "),
            started: context.now,
            seconds: 0.0,
            passed: false,
            restored: None,
            loaded: None,
            recovery: None,
            phases: Vec::new(),
            checks: Vec::new(),
            databases: Vec::new(),
            recorded: None,
            kept: None,
            enter: Vec::new(),
            newest_dump: None,
            next: String::new(),
        };
        Stage {
            context,
            request,
            place,
            deadline,
            listener,
            began: Instant::now(),
            report,
            origin: None,
            is_about_backups: true,
            needs_key: false,
        }
    }

    fn play(&mut self, subject: &Subject) {
        match subject {
            Subject::Backup { target, backup, .. } => self.recover(target, backup.as_ref()),
            Subject::Dump(which) => self.load(which),
        };
        self.report.seconds = self.began.elapsed().as_secs_f64();
        if self.deadline.interrupt().is_raised() {
            let limit = report::text::seconds(self.request.limit.as_secs_f64());
            self.report.tell("time", Finding::failed(format!("it was not done within {limit}")));
        }
    }

    /// Each step needs the one before it. What went wrong is among the checks then.
    fn recover(&mut self, target: &RecoveryTarget, backup: Option<&Selector>) -> Option<()> {
        let restored = self.phase(RESTORE, |stage| stage.restore(target, backup))?;
        let copy = restored.copy.as_ref()?;
        let brought = self.phase("look at the files", |stage| Brought::count(&stage.place.data()))?;
        let (server, recovery) = self.phase(REPLAY, |stage| stage.replay(copy))?;
        self.judge(target, &restored, recovery);
        let databases = self.phase("open the databases", |stage| scratch::open(&server, stage.deadline))?;
        let whole = &databases.whole;
        let jobs = self.context.config.backup.jobs();
        self.check("relations", |stage| relations::check(&server, &databases, &brought, stage.deadline));
        self.check("rows", |stage| {
            let (finding, databases) = rows::count(&server, whole, stage.deadline)?;
            stage.report.databases = databases;
            Ok(finding)
        });
        self.check("live server", |stage| live::compare(stage.context, &restored, &mut stage.report.databases));
        self.check("amcheck", |stage| extensions::amcheck(&server, whole, copy, stage.place, jobs, stage.deadline));
        self.check("visibility", |stage| extensions::visibility(&server, whole, stage.deadline));
        for assertion in &self.context.config.drill.checks {
            self.check(&format!("assertion {}", assertion.name), |stage| {
                assertions::check(&server, assertion, stage.deadline)
            });
        }
        self.phase("shut down", |_| server.stop())?;
        self.check("page checksums", |stage| extensions::checksums(&restored, copy, stage.place, stage.deadline));
        self.check("recovery time", |stage| Ok(objectives::recovery_time(stage.context, &stage.report)));
        self.check("data age", |stage| Ok(objectives::data_age(stage.context, &restored)));
        Some(())
    }

    fn restore(&mut self, target: &RecoveryTarget, backup: Option<&Selector>) -> Result<Restored> {
        let request = restore::Request {
            backup: backup.cloned(),
            start: Some(self.request.start.clone()),
            accept_unsigned: self.request.accept_unsigned,
            ..scratch::request(self.place.data(), self.place.tablespaces(), target.clone())
        };
        let steps = Steps::new(self.listener, self.began);
        let restored = restore::perform(self.context, &request, &steps);
        self.report.phases.extend(steps.phases());
        let restored = restored?;
        self.origin = Some(restored.opened.clone());
        self.report.cluster = Some(restored.plan.cluster.clone());
        self.report.restored = Some(scratch::told(&restored));
        Ok(restored)
    }

    fn replay(&mut self, copy: &StoppedCopy) -> Result<(ScratchServer, RecoveryLog)> {
        let (server, recovery) = scratch::replay(self.place, copy, self.deadline.interrupt(), self.listener)?;
        self.report.enter = scratch::enter(&copy.installation, self.place, &server);
        Ok((server, recovery))
    }

    fn judge(&mut self, target: &RecoveryTarget, restored: &Restored, recovery: RecoveryLog) {
        let finding = scratch::reached(target, restored, &recovery).map_or_else(Finding::failed, Finding::passed);
        self.report.recovery = Some(recovery);
        self.check("target", |_| Ok(finding));
    }

    /// A step that takes its time; a failure is a check that failed.
    fn phase<T>(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> Result<T>) -> Option<T> {
        match self.timed(name, work) {
            Ok(done) => Some(done),
            Err(error) => {
                self.needs_key |= error.code == Code::Identity;
                self.is_about_backups &= match name {
                    RESTORE | dump::FIND | LOAD => is_about_backups(self.context, &error),
                    dump::SERVER => false,
                    _ => true,
                };
                let finding = self.failed(error);
                self.report.tell(name, finding);
                None
            }
        }
    }

    fn timed<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.listener.notice(format!("drill: {name}"));
        let (at, from_seconds) = (self.report.phases.len(), self.began.elapsed().as_secs_f64());
        let done = work(self);
        let seconds = self.began.elapsed().as_secs_f64() - from_seconds;
        // In front of its steps.
        self.report.phases.insert(at, Span { name: name.to_owned(), from_seconds, seconds });
        done
    }

    fn check(&mut self, name: &str, look: impl FnOnce(&mut Self) -> Result<Finding>) {
        let found = self.timed(name, |stage| stage.deadline.interrupt().check().and_then(|()| look(stage)));
        let finding = found.unwrap_or_else(|error| self.failed(error));
        self.report.tell(name, finding);
    }

    /// What the end of the time has cut off has not failed by itself.
    fn failed(&self, error: Error) -> Finding {
        match self.deadline.interrupt().is_raised() {
            true => Finding::not_checked("the time was over"),
            false => {
                let Error { message, hint, .. } = self.context.addressed_error(error);
                Finding::failed(hint.map_or_else(|| message.clone(), |hint| format!("{message}; {hint}")))
            }
        }
    }
}
