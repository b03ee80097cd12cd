//! A database that is there: what of it has the names of what is restored is refused, or makes room in the transaction that
//! brings the other.

use std::collections::BTreeSet;

use super::Request;
use super::archive::{SchemaArchive, Selected};
use super::load::some_of;
use crate::model::dump::archive::Entry;
use crate::model::dump::selection::Class;
use crate::model::dump::{Part, TableName, only};
use crate::model::error::{Code, Error, Result};
use crate::postgres::{ExistingDatabase, ForeignKey, LiveObject, literal};

/// What the transaction does there beside loading.
#[derive(Default)]
pub struct Existing {
    /// Statements before and after it.
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// What makes room.
    pub replaced: Vec<String>,
}

/// What is looked for.
pub struct Look<'l> {
    pub request: &'l Request,
    pub part: &'l Part,
    pub name: &'l str,
}

/// Something there whose name is wanted.
struct Taken<'e> {
    entry: &'e Entry,
    live: LiveObject,
}

impl Look<'_> {
    pub fn at(&self, schema: SchemaArchive, there: &mut ExistingDatabase) -> Result<(Selected, Existing)> {
        let is_there = |entry: &&Entry| entry.object().is_some_and(|object| there.objects.contains_key(&object));
        let ids: BTreeSet<u32> = schema.entries.iter().filter(is_there).map(|entry| entry.id).collect();
        let entries = schema.entries.clone();
        let selected = schema.select(&self.request.wish, Some(&ids))?;
        let existing = match self.request.wish.data_only {
            true => self.filled(&selected, there)?,
            false => self.made(&entries, &selected, there)?,
        };
        Ok((selected, existing))
    }

    fn made(&self, entries: &[Entry], selected: &Selected, there: &mut ExistingDatabase) -> Result<Existing> {
        let made: BTreeSet<u32> = selected.selection.statements.iter().copied().collect();
        let made = entries.iter().filter(|entry| made.contains(&entry.id));
        let taken: Vec<Taken<'_>> = made.filter_map(|entry| taken(entry, entries, there)).collect();
        if taken.is_empty() {
            return Ok(Existing::default());
        }
        let words: Vec<String> = taken.iter().map(|taken| taken.entry.words()).collect();
        if !self.is_clean() {
            return Err(self.refused(format!("database {} has already: {}", self.name, some_of(&words)))
                .hint("drop exactly these in the transaction that loads the others: --clean --yes; or load beside, into a new database: without --existing"));
        }
        let (room, rest): (Vec<_>, Vec<_>) = taken.into_iter().partition(|taken| taken.makes_room());
        let tables: BTreeSet<TableName> = room.iter().map(|taken| taken.name()).collect();
        let is_part = |taken: &Taken<'_>| taken.live.of.as_ref().is_some_and(|of| tables.contains(of));
        let others: Vec<String> =
            rest.iter().filter(|taken| !is_part(taken)).map(|taken| taken.entry.words()).collect();
        if !others.is_empty() {
            return Err(self
                .refused(format!("names are taken by parts of other tables: {}", some_of(&others)))
                .hint("rename these first: ALTER INDEX … RENAME TO …"));
        }
        let room: Vec<Taken<'_>> = room.into_iter().filter(|taken| !is_part(taken)).collect();
        self.refuse_dependents(&room, there)?;
        self.replacing(&room, there)
    }

    fn is_clean(&self) -> bool {
        self.request.clean && (self.request.agreed || self.request.plan)
    }

    fn refused(&self, message: String) -> Error {
        Error::new(Code::Refused, message)
    }

    fn refuse_dependents(&self, room: &[Taken<'_>], there: &mut ExistingDatabase) -> Result<()> {
        let live: Vec<LiveObject> = room.iter().map(|taken| taken.live.clone()).collect();
        let dependents = there.dependents(&live)?;
        if dependents.is_empty() {
            return Ok(());
        }
        let message = format!("what would be dropped in {} is used by others: {}", self.name, some_of(&dependents));
        Err(self.refused(message).hint("restore these with it (--table, --schema), or drop them first"))
    }

    fn replacing(&self, room: &[Taken<'_>], there: &mut ExistingDatabase) -> Result<Existing> {
        let oids: Vec<u32> = room.iter().map(|taken| taken.live.oid).collect();
        let keys = there.foreign_keys(&oids, &[])?;
        let of_others = keys.iter().filter(|key| !oids.contains(&key.oid_of_table)).map(ForeignKey::put_back);
        let mut before = vec![no_others(&oids)];
        before.extend(keys.iter().map(ForeignKey::drop));
        before.push(drop_all(room.iter().map(|taken| taken.entry.removal.trim().trim_end_matches(';'))));
        let replaced = room.iter().map(|taken| taken.entry.words()).collect();
        Ok(Existing { before, after: of_others.collect(), replaced })
    }

    /// Rows into tables that are there.
    fn filled(&self, selected: &Selected, there: &mut ExistingDatabase) -> Result<Existing> {
        let tables: Vec<TableName> =
            selected.rows_of(self.part).expected().into_iter().map(|(table, _)| table).collect();
        let relations = tables.iter().chain(&selected.selection.sequences);
        let missing = relations.filter(|name| there.relation(name).is_none()).map(TableName::to_string);
        let missing: Vec<String> = missing.collect();
        if !missing.is_empty() {
            return Err(self
                .refused(format!("database {} has none of the name: {}", self.name, some_of(&missing)))
                .hint("make them too: without --data-only"));
        }
        let mut full = Vec::new();
        for table in &tables {
            if there.has_rows(table)? {
                full.push(table.to_string());
            }
        }
        if !full.is_empty() && !self.is_clean() {
            return Err(self
                .refused(format!("tables of {} have rows: {}", self.name, some_of(&full)))
                .hint("empty them in the transaction that fills them: --clean --yes"));
        }
        let oids: Vec<u32> = tables.iter().filter_map(|table| there.relation(table)).map(|live| live.oid).collect();
        let emptied: &[u32] = if full.is_empty() { &[] } else { &oids };
        let keys = there.foreign_keys(emptied, &oids)?;
        let list = only(&tables);
        let mut before: Vec<String> = Vec::new();
        if !tables.is_empty() {
            before.push(format!("LOCK TABLE {list} IN SHARE ROW EXCLUSIVE MODE"));
        }
        before.extend(keys.iter().map(ForeignKey::drop));
        if !full.is_empty() {
            before.push(format!("TRUNCATE TABLE {list}"));
        }
        let replaced = full.into_iter().map(|table| format!("rows of {table}")).collect();
        Ok(Existing { before, after: keys.iter().map(ForeignKey::put_back).collect(), replaced })
    }
}

impl Taken<'_> {
    /// By a statement of its own; an identity's sequence goes with its table.
    fn makes_room(&self) -> bool {
        let is_part = self.entry.description == "INDEX" || self.entry.description == "CONSTRAINT";
        !is_part && self.entry.removal.starts_with("DROP ")
    }

    fn name(&self) -> TableName {
        TableName { schema: self.entry.schema.clone().unwrap_or_default(), name: self.entry.tag.clone() }
    }
}

/// Of what a statement makes, that which is there. A constraint makes an index of its name.
fn taken<'e>(entry: &'e Entry, all: &[Entry], there: &ExistingDatabase) -> Option<Taken<'e>> {
    let object = entry.object()?;
    let live = match (object.class, entry.description.as_str()) {
        (Class::Constraint, "CONSTRAINT") => {
            let table = all.iter().filter(|other| entry.relies_on.contains(&other.id) && other.schema == entry.schema);
            let mut names = table.filter_map(|table| entry.tag.strip_prefix(&table.tag)?.strip_prefix(' '));
            there.relation(&TableName { schema: object.schema, name: names.next()?.to_owned() })?
        }
        (Class::Constraint, _) => return None,
        _ => there.objects.get(&object)?,
    };
    Some(Taken { entry, live: live.clone() })
}

/// Whoever made a partition since it was looked would lose it.
fn no_others(oids: &[u32]) -> String {
    let oids = oids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "DO $pgcairn$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent IN ({oids}) \
         AND inhrelid NOT IN ({oids})) THEN RAISE EXCEPTION 'a table has got a partition or a child meanwhile'; \
         END IF; END $pgcairn$"
    )
}

/// Each as soon as nothing hangs on it any more. Partitions go with their parent, whatever else would ends the transaction.
fn drop_all<'s>(statements: impl Iterator<Item = &'s str>) -> String {
    let statements = statements.map(literal).collect::<Vec<_>>().join(", ");
    format!(
        "DO $pgcairn$ DECLARE todo text[] := ARRAY[{statements}]::text[]; later text[]; statement text; said text; BEGIN \
         WHILE cardinality(todo) > 0 LOOP later := '{{}}'; \
         FOREACH statement IN ARRAY todo LOOP BEGIN EXECUTE statement; \
         EXCEPTION WHEN dependent_objects_still_exist THEN GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL; \
         later := later || statement; WHEN undefined_table THEN NULL; END; END LOOP; \
         IF cardinality(later) = cardinality(todo) THEN RAISE EXCEPTION 'it is used by others: %', said; END IF; \
         todo := later; END LOOP; END $pgcairn$"
    )
}
