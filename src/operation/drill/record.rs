//! What stays of a drill in the repository: for `status`, and for expiry, which never drops the newest proven backup.

use std::io::Cursor;

use super::Request;
use crate::model::deletion::to_line;
use crate::model::drill::{CheckRecord, FORMAT, Record};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, ClusterName};
use crate::operation::repository::{self, Opened};
use crate::operation::{Context, chosen};
use crate::report::Listener;
use crate::report::drill::Drill;

/// The key of the record. A drill that cannot be recorded has still proven what it has.
pub fn keep(context: &Context, request: &Request, report: &Drill, listener: &dyn Listener) -> Option<String> {
    match create(context, request, report) {
        Ok(key) => Some(key),
        Err(error) => {
            let message = format!("the drill is not recorded: {}", error.message);
            listener.warning(Error { message, code: Code::Flagged, ..error });
            None
        }
    }
}

fn create(context: &Context, request: &Request, report: &Drill) -> Result<String> {
    let repository = repository::open(&context.config)?;
    let known = report.restored.as_ref().and_then(|restored| restored.system_identifier.parse().ok());
    let named = report.cluster.as_ref().and_then(|name| ClusterName::new(name.as_str()).ok());
    let opened = match known.zip(named) {
        Some((identifier, name)) => Opened::new(repository, name, identifier),
        None => chosen::generation(&context.config, repository, request.backup.as_ref())?,
    };
    let start = report.started.strftime("%Y%m%dT%H%M%SZ").to_string();
    let key = ClusterKeys::numbered(&opened.keys.drills(), &start, rand::random());
    let bytes = to_line(&of(report));
    let creator = opened.repository.creator();
    creator.create(&key, &mut Cursor::new(bytes))?;
    Ok(key.to_string())
}

fn of(report: &Drill) -> Record {
    let check = |check: &crate::report::drill::Check| CheckRecord { name: check.name.clone(), outcome: check.outcome };
    Record {
        format: FORMAT,
        backup: report.restored.as_ref().map(|restored| restored.backup.clone()),
        target: report.restored.as_ref().map(|restored| restored.target.clone()).unwrap_or_default(),
        started: report.started,
        seconds: report.seconds,
        passed: report.passed,
        recovery_seconds: report.recovery_seconds(),
        checks: report.checks.iter().map(check).collect(),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
