//! `list`: the backups of the repository. Needs no key.

use super::catalog::{Catalog, clusters};
use super::{Context, hold, repository};
use crate::model::catalog::{CommitMarker, Method};
use crate::model::deletion::Hold;
use crate::model::error::Result;
use crate::model::key::ClusterKeys;
use crate::report::Listener;
use crate::report::list::{HoldRow, List, Row};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Only those that are held.
    pub held: bool,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<List> {
    let repository = repository::open(&context.config)?;
    let reader = repository.reader();
    let mut backups = Vec::new();
    for cluster in clusters(&reader)? {
        if context.config.name.as_ref().is_some_and(|name| *name != cluster.name) {
            continue;
        }
        let keys = ClusterKeys::new(&cluster.name, cluster.system_identifier, repository.encryption());
        let catalog = Catalog::read(&reader, &keys)?;
        catalog.unreadable.iter().for_each(|unreadable| listener.warning(unreadable.as_error()));
        let mut holds = hold::read_all(&reader, &keys)?;
        holds.retain(|_, hold| hold.counts_at(context.now));
        let rows = catalog.backups.iter().map(|backup| row(context, backup, holds.get(&backup.summary.id)));
        backups.extend(rows.filter(|row| !request.held || row.hold.is_some()));
    }
    let next = match backups.last() {
        Some(newest) => context.command(&format!("show {}", newest.id)),
        None if request.held => context.command("list"),
        None => context.command("backup"),
    };
    Ok(List { repository: repository.url().to_owned(), held_only: request.held, backups, next })
}

pub fn row(context: &Context, backup: &CommitMarker, hold: Option<&Hold>) -> Row {
    let CommitMarker { summary, signed } = backup;
    Row {
        id: summary.id.clone(),
        cluster: summary.cluster.to_string(),
        system_identifier: summary.system_identifier.to_string(),
        method: method(summary.method).to_owned(),
        started: summary.started,
        stopped: summary.stopped,
        timeline: summary.timeline,
        start_lsn: summary.start_lsn,
        stop_lsn: summary.stop_lsn,
        postgresql: summary.postgresql.major(),
        data_bytes: summary.totals.data_bytes,
        stored_bytes: summary.totals.stored_bytes,
        labels: summary.labels.clone(),
        flagged_pages: summary.flagged.count,
        wal_broken_at: summary.wal_broken_at,
        hold: hold.map(|hold| HoldRow { reason: hold.reason.clone(), until: hold.until }),
        signature: signed.standing(&context.trusted),
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Full => "full",
        Method::Incremental => "incr",
    }
}
