//! `dump list` and `dump show`: what dumps there are. Listing needs no key; what tables one has stands in its contents,
//! which do.

use super::catalog::{self, Dumps};
use crate::model::dump::Marker;
use crate::model::error::Result;
use crate::model::selector::Selector;
use crate::operation::catalog::generations;
use crate::operation::repository::{self, Opened};
use crate::operation::{Context, chosen::Found};
use crate::report::Listener;
use crate::report::dump_list::{List, Row, Show, ShownDatabase, ShownTable};

pub fn run(context: &Context, listener: &dyn Listener) -> Result<List> {
    let repository = repository::open_all(&context.config, listener)?;
    let mut dumps = Vec::new();
    for Opened { keys, .. } in generations(&repository, context.config.name.as_ref())? {
        let found = Dumps::read(&repository.reader(), &keys)?;
        found.unreadable.into_iter().for_each(|error| listener.warning(error));
        dumps.extend(found.dumps.iter().map(|marker| row(context, marker)));
    }
    let next = match dumps.last() {
        Some(newest) => context.command(&format!("dump show {}", newest.id)),
        None => context.command("dump"),
    };
    Ok(List { repository: repository.url().to_owned(), dumps, next })
}

fn row(context: &Context, Marker { summary, signed }: &Marker) -> Row {
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
    }
}

pub fn show(context: &Context, dump: &Selector, listener: &dyn Listener) -> Result<Show> {
    let repository = repository::open_all(&context.config, listener)?;
    let Found { opened, what: marker, .. } = catalog::find(context, &repository, dump)?;
    let has_key = context.identities.is_some() || opened.opener(context).is_ok();
    let databases = if has_key { Some(databases(context, &opened, &marker).map_err(catalog::of_dump)?) } else { None };
    let id = &marker.summary.id;
    let next = context.command(&format!("dump restore {id} --into 'host=/var/run/postgresql user=postgres' --plan"));
    Ok(Show { repository: repository.url().to_owned(), dump: row(context, &marker), contents: databases, next })
}

fn databases(context: &Context, opened: &Opened, marker: &Marker) -> Result<Vec<ShownDatabase>> {
    let objects = catalog::objects(&opened.repository.reader(), &opened.keys, &marker.summary)?;
    let contents = catalog::contents(context, opened, &marker.summary, &objects)?;
    let shown = contents.databases.into_iter().map(|part| {
        let small = part.rows.into_iter().map(|table| ShownTable { table: table.table.to_string(), rows: table.rows });
        let large = part.large.into_iter().map(|table| ShownTable { table: table.table.to_string(), rows: table.rows });
        let mut tables: Vec<ShownTable> = small.chain(large).collect();
        tables.sort_by(|a, b| a.table.cmp(&b.table));
        ShownDatabase { name: part.database.name, owner: part.database.owner, encoding: part.database.encoding, tables }
    });
    Ok(shown.collect())
}
