//! `list`: the backups of the repository. Needs no key.

use super::catalog::{Catalog, clusters};
use super::{Context, repository};
use crate::model::catalog::{Method, Summary};
use crate::model::error::Result;
use crate::model::key::ClusterKeys;
use crate::report::Listener;
use crate::report::list::{List, Row};

pub fn run(context: &Context, listener: &dyn Listener) -> Result<List> {
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
        backups.extend(catalog.backups.iter().map(row));
    }
    let next = match backups.last() {
        Some(newest) => context.command(&format!("show {}", newest.id)),
        None => context.command("backup"),
    };
    Ok(List { repository: repository.url().to_owned(), backups, next })
}

pub fn row(summary: &Summary) -> Row {
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
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Full => "full",
        Method::Incremental => "incr",
    }
}
