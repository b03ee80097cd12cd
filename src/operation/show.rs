//! `show`: one backup in full. Needs no key.

use super::catalog::Catalog;
use super::{Context, chosen, hold, list, repository};
use crate::model::error::Result;
use crate::model::selector::Selector;
use crate::report::backup::FlaggedPage;
use crate::report::list::Row;
use crate::report::show::Show;
use crate::report::{Listener, Quiet};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub backup: Selector,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Show> {
    let all = repository::open_all(&context.config, listener)?;
    let opened = chosen::generation(&context.config, all, Some(&request.backup))?;
    let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
    let backup = catalog.select(&request.backup)?;
    let summary = &backup.summary;
    let hold = hold::read(&opened.repository.reader(), &opened.keys, &summary.id)?;
    let hold = hold.filter(|hold| hold.counts_at(context.now));
    let row = list::row(context, backup, hold.as_ref());
    let page = |page: &crate::model::catalog::FlaggedPage| FlaggedPage {
        relation: page.path.clone(),
        path: page.path.clone(),
        block: page.block,
    };
    Ok(Show {
        repository: opened.repository.url().to_owned(),
        backup: everywhere(context, row)?,
        postgresql_version: summary.postgresql.version,
        wal_segment_size: summary.postgresql.wal_segment_size,
        block_size: summary.postgresql.block_size,
        data_checksums: summary.postgresql.data_checksums,
        standby: summary.standby,
        files: summary.totals.files,
        directories: summary.totals.directories,
        packs: summary.totals.packs,
        flagged: summary.flagged.pages.iter().map(page).collect(),
        recipients: summary.recipients.clone(),
        architecture: summary.environment.architecture.clone(),
        server_version: summary.environment.version.clone(),
        pgcairn: summary.pgcairn.clone(),
        next: context.command(&format!("restore --backup {} --target-dir DIRECTORY --plan", summary.id)),
    })
}

/// With the repositories that have it, and those where it is held.
fn everywhere(context: &Context, row: Row) -> Result<Row> {
    if context.config.others.is_empty() {
        return Ok(row);
    }
    // What has to be said was said when they were opened.
    let listed = list::run(context, &list::Request::default(), &Quiet)?;
    Ok(listed.backups.into_iter().find(|other| other.id == row.id).unwrap_or(row))
}
