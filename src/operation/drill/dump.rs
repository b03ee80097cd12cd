//! A dump is drilled: a new server is made for it, `dump restore` loads everything into it, and what came of that is
//! looked at. That server is cut off as one on a restored copy is.

mod chosen;
mod lacking;
mod rows;
mod server;

use super::check::Finding;
use super::{Stage, Which, assertions};
use crate::model::connection_string::ConnectionString;
use crate::model::dump::selection::Wish;
use crate::model::error::{Code, Error, Result};
use crate::model::selector::Selector;
use crate::operation::dump::restore::{self, Incomplete, Owners};
use crate::operation::scratch;
use crate::postgres::ScratchServer;
use crate::report::drill::{Check, LOAD, Span};
use crate::report::dump_restore::{DumpRestore, RestoredDatabase};
use crate::report::text::{bytes, count, seconds};
use chosen::Chosen;
use server::Made;

pub const FIND: &str = "find the dump";
/// Nothing of the dump is in it yet: what fails here says nothing of it.
pub const SERVER: &str = "make a server";

impl Stage<'_> {
    /// Each step needs the one before it. What went wrong is among the checks then.
    pub(super) fn load(&mut self, which: &Which) -> Option<()> {
        let dump = self.phase(FIND, |stage| stage.find(which))?;
        let made = self.phase(SERVER, |stage| stage.make(&dump))?;
        self.check("extensions", |stage| stage.look_for_extensions(&dump, &made));
        if self.report.checks.iter().any(Check::has_failed) {
            return None;
        }
        let Made { server, .. } = made;
        let loaded = self.phase(LOAD, |stage| stage.fill(&dump, &server))?;
        self.report.tell(LOAD, summary(&loaded));
        let databases = self.phase("open the databases", |stage| scratch::open(&server, stage.deadline))?;
        self.check("rows", |stage| {
            let (finding, databases) = rows::check(&server, &databases.whole, &dump, stage.deadline)?;
            stage.report.databases = databases;
            Ok(finding)
        });
        for assertion in &self.context.config.drill.checks {
            self.check(&format!("assertion {}", assertion.name), |stage| {
                match dump.cannot_answer(&assertion.database) {
                    Some(why) => Ok(Finding::not_checked(why)),
                    None => assertions::check(&server, assertion, stage.deadline),
                }
            });
        }
        self.phase("shut down", |_| server.stop())
    }

    fn find(&mut self, which: &Which) -> Result<Chosen> {
        let dump = Chosen::find(self.context, which, self.request.accept_unsigned, self.listener)?;
        self.origin = Some(dump.opened.clone());
        self.report.cluster = Some(dump.summary.cluster.to_string());
        self.report.loaded = Some(dump.told());
        Ok(dump)
    }

    fn make(&mut self, dump: &Chosen) -> Result<Made> {
        let bindir = self.request.start.bindir.as_deref();
        let made = server::make(dump, bindir, self.place, self.deadline.interrupt())?;
        if let Some(loaded) = &mut self.report.loaded {
            loaded.postgresql = Some(made.installation.version.clone());
        }
        self.report.enter = scratch::enter(&made.installation, self.place, &made.server);
        Ok(made)
    }

    /// This machine lacks them, not the dump.
    fn look_for_extensions(&mut self, dump: &Chosen, made: &Made) -> Result<Finding> {
        let finding = lacking::check(self.context, dump, made, self.place, self.deadline)?;
        self.is_about_backups &= finding.outcome != crate::model::drill::Outcome::Failed;
        Ok(finding)
    }

    /// As a person would, by the same code.
    fn fill(&mut self, dump: &Chosen, server: &ScratchServer) -> Result<DumpRestore> {
        let into = ConnectionString::new(&server.loading_connection());
        let request = restore::Request {
            dump: Selector::Prefix(dump.summary.id.to_string()),
            into: into.map_err(|error| Error::new(Code::Internal, error.to_string()))?,
            databases: Vec::new(),
            globals: dump.contents.globals.is_some(),
            tablespaces_below: Some(self.place.tablespaces()),
            owners: Owners::default(),
            wish: Wish::default(),
            existing: false,
            clean: false,
            replace: false,
            agreed: false,
            incomplete: Incomplete::Dropped,
            accept_unsigned: self.request.accept_unsigned,
            plan: false,
            jobs: None,
            bindir: self.request.start.bindir.clone(),
            identity: None,
        };
        let loaded = restore::run(self.context, &request, self.listener)?;
        let end = self.began.elapsed().as_secs_f64();
        self.report.phases.extend(spans(&loaded.databases, end));
        Ok(loaded)
    }
}

/// One after the other, the last up to `end`.
fn spans(databases: &[RestoredDatabase], end: f64) -> Vec<Span> {
    let mut from_seconds = end - databases.iter().map(|database| database.seconds).sum::<f64>();
    let span = |database: &RestoredDatabase| {
        let span = Span { name: format!("{LOAD}: {}", database.name), from_seconds, seconds: database.seconds };
        from_seconds += database.seconds;
        span
    };
    databases.iter().map(span).collect()
}

fn summary(loaded: &DumpRestore) -> Finding {
    let data: u64 = loaded.databases.iter().map(|database| database.data_bytes).sum();
    let databases = count(loaded.databases.len() as u64, "database");
    let roles = if loaded.globals.is_some() { " and the roles" } else { "" };
    Finding::passed(format!("{databases}{roles}, {} in {}", bytes(data), seconds(loaded.seconds)))
}
