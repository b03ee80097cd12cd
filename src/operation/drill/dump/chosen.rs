//! The dump that is drilled, and what is known of it before it is loaded.

use rand::seq::IndexedRandom;

use super::super::Which;
use crate::model::catalog::ObjectList;
use crate::model::dump::{Contents, Marker, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::selector::Selector;
use crate::operation::catalog::generations;
use crate::operation::chosen::Found;
use crate::operation::dump::catalog::{self, Dumps};
use crate::operation::repository::{self, Opened};
use crate::operation::{Context, trust};
use crate::report::Listener;
use crate::report::drill::Loaded;
use crate::store::Repository;

pub struct Chosen {
    pub opened: Opened,
    pub summary: Summary,
    pub objects: ObjectList,
    pub contents: Contents,
}

impl Chosen {
    pub fn find(context: &Context, which: &Which, accept_unsigned: bool, listener: &dyn Listener) -> Result<Chosen> {
        let all = repository::open_all(&context.config, listener)?;
        let selector = match which {
            Which::Named(selector) => selector.clone(),
            Which::Random => any(context, &all)?,
        };
        let Found { id, opened, what: Marker { summary, signed } } = catalog::find(context, &all, &selector, listener)?;
        let key = opened.keys.dump(&id);
        trust::refuse_signed(trust::Thing::dump(&id), &key, &signed, &context.trusted, accept_unsigned)?;
        let objects = catalog::objects(&opened.repository.reader(), &opened.keys, &summary)?;
        let contents = catalog::contents(context, &opened, &summary, &objects)?;
        Ok(Chosen { opened, summary, objects, contents })
    }

    pub fn told(&self) -> Loaded {
        let Summary { id, system_identifier, finished, server_version, totals, .. } = &self.summary;
        Loaded {
            dump: id.clone(),
            system_identifier: system_identifier.to_string(),
            finished: *finished,
            dumped_major: server_version / 10_000,
            postgresql: None,
            databases: totals.databases,
            tables: totals.tables,
            rows: totals.rows,
            data_bytes: totals.data_bytes,
            stored_bytes: totals.stored_bytes,
        }
    }

    /// What loads it is as new as its server, and as the `pg_dump` that wrote it.
    pub fn major(&self) -> u32 {
        (self.summary.server_version / 10_000).max(self.summary.pg_dump_major)
    }

    /// Why nothing can be asked in this database.
    pub fn cannot_answer(&self, database: &str) -> Option<String> {
        let is_there = self.contents.databases.iter().any(|part| part.database.name == database);
        match (is_there, self.summary.schema_only) {
            (false, _) => Some(format!("the dump has no database \"{database}\"")),
            (true, true) => Some(NO_ROWS.to_owned()),
            (true, false) => None,
        }
    }
}

pub const NO_ROWS: &str = "the dump has no rows: it was made with --schema-only";

/// Any that can be read: what cannot is damaged, and for `verify` and `dump list` to tell.
fn any(context: &Context, repository: &Repository) -> Result<Selector> {
    let mut ids = Vec::new();
    for opened in generations(repository, context.config.name.as_ref())? {
        let dumps = Dumps::read(&opened.repository.reader(), &opened.keys)?.dumps;
        ids.extend(dumps.into_iter().map(|marker| marker.summary.id));
    }
    let chosen = ids.choose(&mut rand::rng());
    chosen.map(|id| Selector::Prefix(id.to_string())).ok_or_else(|| {
        Error::new(Code::NotFound, "there is no dump, so none can be chosen").hint("what there is: pgcairn dump list")
    })
}
