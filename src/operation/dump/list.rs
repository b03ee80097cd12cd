//! `dump list` and `dump show`: what dumps there are. Listing needs no key; what tables one has stands in its contents,
//! which do.

use super::catalog::{self, Dumps};
use crate::model::deletion::Hold;
use crate::model::dump::{Database, Marker};
use crate::model::error::Result;
use crate::model::selector::Selector;
use crate::operation::catalog::generations;
use crate::operation::repository::{self, Opened};
use crate::operation::{Context, chosen::Found, hold};
use crate::report::Listener;
use crate::report::dump_list::{List, Row, Show, ShownDatabase, ShownTable};
use crate::report::holds::{HoldRow, Holds};
use crate::store::Repository;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Only those that are held.
    pub held: bool,
}

pub fn run(context: &Context, request: Request, listener: &dyn Listener) -> Result<List> {
    let opened = repository::open_each(&context.config, listener)?;
    let several = context.config.repositories().count() > 1;
    let mut dumps: Vec<Row> = Vec::new();
    for (named, repository) in &opened {
        let name = several.then(|| named.name.clone());
        for mut row in rows(context, repository, listener)? {
            let hold = row.holds.hold.take();
            let at = dumps.iter().position(|other| other.id == row.id).unwrap_or(dumps.len());
            if at == dumps.len() {
                dumps.push(row);
            }
            if let Some(hold) = hold {
                dumps[at].holds.add(HoldRow { repositories: name.iter().cloned().collect(), ..hold });
            }
            dumps[at].repositories.extend(name.clone());
        }
    }
    dumps.sort_by_key(|row| (row.finished, row.id.clone()));
    dumps.retain(|row| !request.held || row.holds.is_held());
    let next = match dumps.last() {
        Some(newest) => context.command(&format!("dump show {}", newest.id)),
        None if request.held => context.command("dump list"),
        None => context.command("dump"),
    };
    let urls: Vec<&str> = opened.iter().map(|(_, repository)| repository.url()).collect();
    Ok(List { repository: urls.join(", "), held_only: request.held, dumps, next })
}

/// Of one repository.
fn rows(context: &Context, repository: &Repository, listener: &dyn Listener) -> Result<Vec<Row>> {
    let (reader, mut rows) = (repository.reader(), Vec::new());
    for Opened { keys, .. } in generations(repository, context.config.name.as_ref())? {
        let found = Dumps::read(&reader, &keys)?;
        found.unreadable.into_iter().for_each(|(_, error)| listener.warning(error));
        let mut holds = hold::of_dumps(&reader, &keys)?;
        holds.retain(|_, hold| hold.counts_at(context.now));
        rows.extend(found.dumps.iter().map(|marker| row(context, marker, holds.get(&marker.summary.id))));
    }
    Ok(rows)
}

fn row(context: &Context, Marker { summary, signed }: &Marker, hold: Option<&Hold>) -> Row {
    Row {
        id: summary.id.clone(),
        cluster: summary.cluster.to_string(),
        started: summary.started,
        finished: summary.finished,
        server_version: summary.server_version,
        schema_only: summary.schema_only,
        databases: summary.databases.clone(),
        database_count: summary.totals.databases,
        tables: summary.totals.tables,
        rows: summary.totals.rows,
        data_bytes: summary.totals.data_bytes,
        stored_bytes: summary.totals.stored_bytes,
        labels: summary.labels.clone(),
        signature: signed.standing(&context.trusted),
        repositories: Vec::new(),
        holds: Holds::of(hold),
    }
}

pub fn show(context: &Context, dump: &Selector, listener: &dyn Listener) -> Result<Show> {
    let repository = repository::open_all(&context.config, listener)?;
    let Found { id, opened, what: marker } = catalog::find(context, &repository, dump, listener)?;
    let hold = hold::read(&repository.reader(), &opened.keys, &id)?.filter(|hold| hold.counts_at(context.now));
    let has_key = context.identities.is_some() || opened.opener(context).is_ok();
    let databases = if has_key { Some(databases(context, &opened, &marker).map_err(catalog::of_dump)?) } else { None };
    let next = context.command(&format!("dump restore {id} --into 'host=/var/run/postgresql user=postgres' --plan"));
    Ok(Show {
        repository: repository.url().to_owned(),
        dump: row(context, &marker, hold.as_ref()),
        contents: databases,
        next,
    })
}

fn databases(context: &Context, opened: &Opened, marker: &Marker) -> Result<Vec<ShownDatabase>> {
    let objects = catalog::objects(&opened.repository.reader(), &opened.keys, &marker.summary)?;
    let contents = catalog::contents(context, opened, &marker.summary, &objects)?;
    let shown = contents.databases.into_iter().map(|part| {
        let small = part.rows.into_iter().map(|table| ShownTable { table: table.table.to_string(), rows: table.rows });
        let large = part.large.into_iter().map(|table| ShownTable { table: table.table.to_string(), rows: table.rows });
        let mut tables: Vec<ShownTable> = small.chain(large).collect();
        tables.sort_by(|a, b| a.table.cmp(&b.table));
        {
            let Database { name, owner, encoding, taken, .. } = part.database;
            ShownDatabase { name, owner, encoding, taken, tables }
        }
    });
    Ok(shown.collect())
}
