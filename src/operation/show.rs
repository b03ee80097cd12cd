//! `show`: one backup in full. Needs no key.

use super::catalog::Catalog;
use super::{Context, chosen, hold, list, repository};
use crate::model::error::Result;
use crate::model::selector::Selector;
use crate::report::Listener;
use crate::report::backup::FlaggedPage;
use crate::report::show::Show;

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
    let page = |page: &crate::model::catalog::FlaggedPage| FlaggedPage {
        relation: page.path.clone(),
        path: page.path.clone(),
        block: page.block,
    };
    Ok(Show {
        repository: opened.repository.url().to_owned(),
        backup: list::row(context, backup, hold.as_ref()),
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
