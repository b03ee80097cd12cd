//! Which statements of an archive bring what was asked for: a table with all that belongs to it, and what it relies on.
//! `pg_restore --table` leaves out indexes, constraints, defaults, triggers and comments; here they come along where what
//! they refer to is there, and what does not is named.

mod belongs;
mod needs;
mod object;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::TableName;
use super::archive::Entry;
use belongs::Belongs;

pub use object::{Class, Object};
pub use pattern::{Pattern, TablePattern};

/// Relations, which `--table` may name.
const RELATIONS: [&str; 5] = ["TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"];
/// What is said of something else.
const NOTES: [&str; 3] = ["COMMENT", "ACL", "SECURITY LABEL"];
/// Of the database itself, and large objects, which are rows of no table.
const NEVER: [&str; 5] = ["DATABASE", "DATABASE PROPERTIES", "BLOB", "BLOBS", "BLOB METADATA"];
/// Stay as they are where they are there.
const KEPT: [&str; 3] = ["SCHEMA", "EXTENSION", "PROCEDURAL LANGUAGE"];

/// What is asked for; nothing stands for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    pub schemas: Vec<Pattern>,
    pub tables: Vec<TablePattern>,
    pub data_only: bool,
    pub schema_only: bool,
}

impl Wish {
    pub fn names_some(&self) -> bool {
        !self.schemas.is_empty() || !self.tables.is_empty()
    }

    pub fn is_everything(&self) -> bool {
        !self.names_some() && !self.data_only && !self.schema_only
    }
}

/// What is to be restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Ids of statements, in their order.
    pub statements: Vec<u32>,
    /// Those of them that are `GRANT` and `REVOKE`.
    pub privileges: BTreeSet<u32>,
    /// Relations that they make.
    pub relations: Vec<TableName>,
    /// Those that make a table a partition of one that is there: after everything else, when it has its indexes.
    pub attachments: Vec<u32>,
    /// Tables that are made and filled.
    pub tables: Vec<TableName>,
    pub sequences: Vec<TableName>,
    /// Not asked for, but relied upon: made, and without rows.
    pub along: Vec<String>,
    /// What belongs to it, and refers to what is not there.
    pub left_out: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    #[error("the dump of this database has nothing called {0}")]
    Nothing(String),
    #[error("the database lacks what this relies on: {}", .0.join(", "))]
    Lacking(Vec<String>),
}

impl Selection {
    /// `there` are the ids of what the database has already, if it is not a new one.
    pub fn of(entries: &[Entry], wish: &Wish, there: Option<&BTreeSet<u32>>) -> Result<Selection, SelectionError> {
        let archive = Archive::new(entries);
        let belongs = Belongs::new(&archive);
        let mut chosen = roots(&archive, wish)?;
        belongs.spread(&mut chosen);
        if wish.data_only {
            return Ok(Selection { statements: Vec::new(), ..Selection::made(&archive, &chosen) });
        }
        if let Some(there) = there {
            keep(&archive, &mut chosen, there);
        }
        if wish.schema_only {
            // A materialized view would pass for filled.
            chosen.retain(|id| archive.get(*id).is_some_and(|entry| !entry.description.ends_with(" DATA")));
        }
        let published = unpublished(&archive, wish, &mut chosen);
        let needs = needs::of(&archive, &belongs, &mut chosen, there)?;
        let mut selection = Selection::made(&archive, &chosen);
        selection.sequences.extend(archive.named(&needs.along, &["SEQUENCE"]));
        chosen.extend(&needs.along);
        belongs.spread_notes(&mut chosen);
        let words = |id: &u32| archive.get(*id).map(Entry::words);
        selection.statements = archive.in_order(&chosen);
        let is_privilege = |id: &u32| archive.get(*id).is_some_and(|entry| entry.description == "ACL");
        selection.privileges = chosen.iter().copied().filter(is_privilege).collect();
        selection.relations = archive.named(&chosen, &RELATIONS);
        selection.attachments = needs.attachments;
        let silent = |id: &&u32| archive.get(**id).is_some_and(|entry| entry.description != "SCHEMA");
        selection.along = needs.along.iter().filter(silent).filter_map(words).collect();
        selection.left_out = published.iter().chain(&needs.left_out).filter_map(words).collect();
        Ok(selection)
    }

    fn made(archive: &Archive<'_>, chosen: &BTreeSet<u32>) -> Selection {
        Selection {
            tables: archive.named(chosen, &["TABLE"]),
            sequences: archive.named(chosen, &["SEQUENCE"]),
            statements: archive.in_order(chosen),
            ..Selection::default()
        }
    }

    /// As `pg_restore --use-list` takes it.
    pub fn list(ids: &[u32]) -> String {
        ids.iter().map(|id| format!("{id};\n")).collect()
    }

    /// Of an archive of rows, those of these tables and sequences.
    pub fn rows(&self, entries: &[Entry]) -> Vec<u32> {
        let names: BTreeSet<(&str, &str, &str)> = [("TABLE DATA", &self.tables), ("SEQUENCE SET", &self.sequences)]
            .into_iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| (kind, name.schema.as_str(), name.name.as_str())))
            .collect();
        let is_wanted = |entry: &&Entry| {
            let schema = entry.schema.as_deref().unwrap_or_default();
            names.contains(&(entry.description.as_str(), schema, entry.tag.as_str()))
        };
        entries.iter().filter(is_wanted).map(|entry| entry.id).collect()
    }
}

/// The entries, to be found by their ids.
struct Archive<'e> {
    entries: &'e [Entry],
    at: BTreeMap<u32, usize>,
}

impl<'e> Archive<'e> {
    fn new(entries: &'e [Entry]) -> Archive<'e> {
        Archive { entries, at: entries.iter().enumerate().map(|(at, entry)| (entry.id, at)).collect() }
    }

    fn get(&self, id: u32) -> Option<&'e Entry> {
        self.at.get(&id).and_then(|at| self.entries.get(*at))
    }

    /// What an entry relies on, as far as it is in the archive.
    fn relied_on(&self, entry: &Entry) -> impl Iterator<Item = &'e Entry> {
        entry.relies_on.iter().filter_map(|id| self.get(*id)).collect::<Vec<_>>().into_iter()
    }

    fn in_order(&self, ids: &BTreeSet<u32>) -> Vec<u32> {
        self.entries.iter().map(|entry| entry.id).filter(|id| ids.contains(id)).collect()
    }

    fn named(&self, ids: &BTreeSet<u32>, descriptions: &[&str]) -> Vec<TableName> {
        let entries = self.entries.iter().filter(|entry| ids.contains(&entry.id));
        entries.filter(|entry| descriptions.contains(&entry.description.as_str())).map(Entry::name).collect()
    }
}

impl Entry {
    fn is_any(&self, descriptions: &[&str]) -> bool {
        descriptions.contains(&self.description.as_str())
    }

    fn name(&self) -> TableName {
        TableName { schema: self.schema.clone().unwrap_or_default(), name: self.tag.clone() }
    }

    /// For a person.
    pub fn words(&self) -> String {
        let kind = match self.description.as_str() {
            "FK CONSTRAINT" => "foreign key".to_owned(),
            "TABLE ATTACH" => "being a partition, of".to_owned(),
            "PUBLICATION TABLE" => "being published, of".to_owned(),
            "SEQUENCE OWNED BY" => "owner of sequence".to_owned(),
            other => other.to_lowercase(),
        };
        let schema = self.schema.iter().map(|schema| format!("{schema}.")).collect::<String>();
        format!("{kind} {schema}{}", self.tag)
    }
}

fn roots(archive: &Archive<'_>, wish: &Wish) -> Result<BTreeSet<u32>, SelectionError> {
    let all = || archive.entries.iter();
    let mut chosen = BTreeSet::new();
    if !wish.names_some() {
        let is_never = |entry: &Entry| {
            let mut of = archive.relied_on(entry);
            entry.is_any(&NEVER) || entry.is_any(&NOTES) && of.any(|other| other.is_any(&NEVER))
        };
        return Ok(all().filter(|entry| !is_never(entry)).map(|entry| entry.id).collect());
    }
    for pattern in &wish.schemas {
        let is_in = |entry: &&Entry| match entry.schema.as_deref() {
            Some(schema) => pattern.fits(schema),
            None => entry.description == "SCHEMA" && pattern.fits(&entry.tag),
        };
        let found: Vec<u32> = all().filter(is_in).map(|entry| entry.id).collect();
        if found.is_empty() {
            return Err(SelectionError::Nothing(pattern.to_string()));
        }
        chosen.extend(found);
    }
    for pattern in &wish.tables {
        let fits = |entry: &&Entry| {
            let in_schema = entry.schema.as_deref().is_some_and(|schema| pattern.schema.fits(schema));
            entry.is_any(&RELATIONS) && in_schema && pattern.name.fits(&entry.tag)
        };
        let found: Vec<u32> = all().filter(fits).map(|entry| entry.id).collect();
        if found.is_empty() {
            return Err(SelectionError::Nothing(pattern.to_string()));
        }
        chosen.extend(found);
    }
    Ok(chosen)
}

/// Takes out what stays as it is, and what is said of things that are not made.
fn keep(archive: &Archive<'_>, chosen: &mut BTreeSet<u32>, there: &BTreeSet<u32>) {
    let is_kept = |id: &u32| there.contains(id) && archive.get(*id).is_some_and(|entry| entry.is_any(&KEPT));
    chosen.retain(|id| !is_kept(id));
    let made = chosen.clone();
    chosen.retain(|id| {
        let entry = archive.get(*id);
        entry.is_none_or(|entry| !entry.is_any(&NOTES) || archive.relied_on(entry).any(|of| made.contains(&of.id)))
    });
}

/// Who subscribes to a publication decides what is in it.
fn unpublished(archive: &Archive<'_>, wish: &Wish, chosen: &mut BTreeSet<u32>) -> Vec<u32> {
    let published = |entry: &&Entry| {
        entry.description == "PUBLICATION TABLE" && archive.relied_on(entry).any(|table| chosen.contains(&table.id))
    };
    if !wish.names_some() {
        return Vec::new();
    }
    let published: Vec<u32> = archive.entries.iter().filter(published).map(|entry| entry.id).collect();
    chosen.retain(|id| !published.contains(id));
    published
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
