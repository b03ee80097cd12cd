//! `list`: the backups, and where several repositories are configured, which of them has each. Needs no key.

use super::catalog::{Catalog, Unreadable, generations};
use super::repository::{self, Opened};
use super::{Context, hold};
use crate::model::catalog::{CommitMarker, Method};
use crate::model::deletion::Hold;
use crate::model::error::{Error, Result};
use crate::report::Listener;
use crate::report::holds::{HoldRow, Holds};
use crate::report::list::{List, OtherSignature, Row};
use crate::store::Repository;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Only those that are held.
    pub held: bool,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<List> {
    let opened = repository::open_each(&context.config, listener)?;
    let several = context.config.repositories().count() > 1;
    let mut backups: Vec<Row> = Vec::new();
    for (named, repository) in &opened {
        for mut row in rows(context, several.then_some(&named.name), repository, listener)? {
            let hold = row.holds.hold.take();
            let at = match backups.iter().position(|other| other.id == row.id) {
                Some(at) => {
                    if backups[at].signature != row.signature {
                        let (repository, signature) = (named.name.clone(), row.signature);
                        backups[at].other_signatures.push(OtherSignature { repository, signature });
                    }
                    at
                }
                None => {
                    backups.push(row);
                    backups.len() - 1
                }
            };
            let name = several.then(|| named.name.clone());
            if let Some(hold) = hold {
                backups[at].holds.add(HoldRow { repositories: name.iter().cloned().collect(), ..hold });
            }
            backups[at].repositories.extend(name);
        }
    }
    if several {
        backups.sort_by_key(|row| (row.cluster.clone(), row.system_identifier.clone(), row.timeline, row.stop_lsn));
    }
    backups.retain(|row| !request.held || row.holds.is_held());
    let next = match backups.last() {
        Some(newest) => context.command(&format!("show {}", newest.id)),
        None if request.held => context.command("list"),
        None => context.command("backup"),
    };
    let urls: Vec<&str> = opened.iter().map(|(_, repository)| repository.url()).collect();
    Ok(List { repository: urls.join(", "), held_only: request.held, backups, next })
}

/// Of one of several repositories by its name; a copy may be in another.
fn unreadable(marker: &Unreadable, name: Option<&String>) -> Error {
    let error = match name {
        Some(name) => marker.then_copied(name),
        None => marker.in_repository("the repository", ", which gives the backup up"),
    };
    Error { message: format!("backup {}: {}", marker.id, error.message), ..error }
}

/// Of one repository, ordered as its clusters are and then by timeline and stop LSN.
fn rows(
    context: &Context,
    name: Option<&String>,
    repository: &Repository,
    listener: &dyn Listener,
) -> Result<Vec<Row>> {
    let (reader, mut rows) = (repository.reader(), Vec::new());
    for Opened { keys, .. } in generations(repository, context.config.name.as_ref())? {
        let catalog = Catalog::read(&reader, &keys)?;
        catalog.unreadable.iter().for_each(|marker| listener.warning(unreadable(marker, name)));
        let mut holds = hold::of_backups(&reader, &keys)?;
        holds.retain(|_, hold| hold.counts_at(context.now));
        rows.extend(catalog.backups.iter().map(|backup| row(context, backup, holds.get(&backup.summary.id))));
    }
    Ok(rows)
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
        repositories: Vec::new(),
        holds: Holds::of(hold),
        other_signatures: Vec::new(),
        signature: signed.standing(&context.trusted),
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Full => "full",
        Method::Incremental => "incr",
    }
}
