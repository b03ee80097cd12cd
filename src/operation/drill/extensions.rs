//! What PostgreSQL itself can tell of its files: `pg_amcheck`, `pg_visibility`, `pg_checksums`.

use std::ffi::OsString;

use super::check::Finding;
use crate::model::error::Result;
use crate::operation::restore::{Restored, StoppedCopy};
use crate::operation::scratch::{Deadline, Known, NO_EVENT_TRIGGERS, Place, said};
use crate::postgres::{Program, ScratchServer};
use crate::report::text::{count, few};

const AMCHECK: &str = "amcheck";
const VISIBILITY: &str = "pg_visibility";

const IS_AVAILABLE: &str = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)";

/// The question for rows that the visibility map calls visible, or frozen, to all, and that are not. The extension may
/// be in any schema, where others may have put functions of the same names for other arguments.
const INVISIBLE: &str = "SELECT format('SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN (''r'', ''m'', ''t'') \
     AND c.relpersistence = ''p'' AND (EXISTS (SELECT FROM %1$I.pg_check_visible(c.oid::regclass)) \
     OR EXISTS (SELECT FROM %1$I.pg_check_frozen(c.oid::regclass)))', n.nspname) \
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1";

/// Every table and every B-tree of every database.
pub fn amcheck(
    server: &ScratchServer,
    databases: &[Known],
    copy: &StoppedCopy,
    place: &Place,
    jobs: usize,
    deadline: &Deadline,
) -> Result<Finding> {
    if !is_available(server, AMCHECK)? || !copy.installation.program("pg_amcheck").is_file() {
        return Ok(not_installed(AMCHECK));
    }
    let number = prepare(server, databases, AMCHECK, deadline)?;
    let mut program = Program::new(&copy.installation, "pg_amcheck");
    program.arguments(server.client_arguments());
    program.arguments(["--all", "--no-strict-names", "--jobs"].map(OsString::from)).argument(jobs.to_string());
    let ended = program.run(&place.output_of("pg_amcheck"), deadline.interrupt())?;
    Ok(match ended.success {
        true => Finding::passed(format!("tables and B-trees of {} are sound", count(number, "database"))),
        false => Finding::failed(few(&ended.lines)),
    })
}

pub fn visibility(server: &ScratchServer, databases: &[Known], deadline: &Deadline) -> Result<Finding> {
    if !is_available(server, VISIBILITY)? {
        return Ok(not_installed(VISIBILITY));
    }
    let number = prepare(server, databases, VISIBILITY, deadline)?;
    let mut wrong = Vec::new();
    for database in databases {
        let mut session = server.session(&database.name)?;
        deadline.watch(&session);
        let question = session.query_one(INVISIBLE, &[&VISIBILITY]).and_then(|row| row.try_get::<_, String>(0));
        for row in session.query(&question.map_err(said)?, &[]).map_err(said)? {
            wrong.push(format!("{}.{}", database.name, row.try_get::<_, String>(0).map_err(said)?));
        }
    }
    Ok(match wrong.as_slice() {
        [] => Finding::passed(format!("the visibility maps of {} are right", count(number, "database"))),
        wrong => Finding::failed(format!("the visibility map is wrong for {}", few(wrong))),
    })
}

/// Every page of every file, after the server has been shut down.
pub fn checksums(restored: &Restored, copy: &StoppedCopy, place: &Place, deadline: &Deadline) -> Result<Finding> {
    if !restored.backup.postgresql.data_checksums {
        return Ok(Finding::not_checked(
            "the cluster has no page checksums: pg_checksums --enable on its server, stopped",
        ));
    }
    if !copy.installation.program("pg_checksums").is_file() {
        return Ok(Finding::not_checked("this machine has no pg_checksums"));
    }
    let mut program = Program::new(&copy.installation, "pg_checksums");
    program.arguments(["--check", "--pgdata"].map(OsString::from)).argument(&copy.data);
    let ended = program.run(&place.output_of("pg_checksums"), deadline.interrupt())?;
    let scanned = ended.lines.iter().find_map(|line| line.strip_prefix("Blocks scanned:"));
    let wrong: Vec<String> = ended.lines.iter().filter(|line| line.contains("error:")).cloned().collect();
    Ok(match (ended.success, scanned) {
        (true, Some(pages)) => Finding::passed(format!("{} pages were read, and none is wrong", pages.trim())),
        (true, None) => Finding::failed("pg_checksums does not say how many pages it read"),
        (false, _) => Finding::failed(few(if wrong.is_empty() { &ended.lines } else { &wrong })),
    })
}

pub fn is_available(server: &ScratchServer, extension: &str) -> Result<bool> {
    server.client()?.query_one(IS_AVAILABLE, &[&extension]).and_then(|row| row.try_get(0)).map_err(said)
}

fn not_installed(extension: &str) -> Finding {
    Finding::not_checked(format!("this machine has no {extension}, which the package postgresql-contrib brings"))
}

/// In every database; how many there are.
fn prepare(server: &ScratchServer, databases: &[Known], extension: &str, deadline: &Deadline) -> Result<u64> {
    for database in databases {
        let create = format!("{NO_EVENT_TRIGGERS}; CREATE EXTENSION IF NOT EXISTS {extension} WITH SCHEMA pg_catalog");
        let mut session = server.session(&database.name)?;
        deadline.watch(&session);
        session.batch_execute(&create).map_err(said)?;
    }
    Ok(databases.len() as u64)
}
