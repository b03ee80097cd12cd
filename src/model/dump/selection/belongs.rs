//! What belongs to what: indexes to their table, comments to what they are of, partitions to what they are parts of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Archive, NOTES, RELATIONS};
use crate::model::dump::archive::Entry;

/// Whose tag begins with the name of what they belong to (`ArchiveEntry` of each kind in pg_dump.c).
const OF_ITS_TAG: [&str; 7] =
    ["CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "DEFAULT", "TRIGGER", "RULE", "POLICY"];
/// Belong to the relations that they rely on.
const OF_RELATIONS: [&str; 5] = ["INDEX", "STATISTICS", "ROW SECURITY", "STATISTICS DATA", "EXTENDED STATISTICS DATA"];

pub struct Belongs<'a, 'e> {
    archive: &'a Archive<'e>,
    /// From a partition to what it is a part of.
    parents: BTreeMap<u32, u32>,
}

impl<'a, 'e> Belongs<'a, 'e> {
    pub fn new(archive: &'a Archive<'e>) -> Belongs<'a, 'e> {
        let attached = archive.entries.iter().filter(|entry| entry.description == "TABLE ATTACH");
        let parents = attached.filter_map(|attach| {
            let tables = || archive.relied_on(attach);
            let partition = tables().find(|table| table.tag == attach.tag && table.schema == attach.schema)?;
            let parent = tables().find(|table| table.id != partition.id)?;
            Some((partition.id, parent.id))
        });
        Belongs { archive, parents: parents.collect() }
    }

    /// What a partition is a part of. Its own statement does without.
    pub fn parent(&self, id: u32) -> Option<u32> {
        self.parents.get(&id).copied()
    }

    /// Adds all that belongs to what is chosen.
    pub fn spread(&self, chosen: &mut BTreeSet<u32>) {
        while self.add(chosen, |entry, chosen| self.belongs(entry, chosen)) {}
    }

    /// Adds what is said of it alone.
    pub fn spread_notes(&self, chosen: &mut BTreeSet<u32>) {
        self.add(chosen, |entry, chosen| entry.is_any(&NOTES) && self.relies(entry, chosen));
    }

    fn add(&self, chosen: &mut BTreeSet<u32>, is_of: impl Fn(&Entry, &BTreeSet<u32>) -> bool) -> bool {
        let before = chosen.len();
        for entry in self.archive.entries {
            if !chosen.contains(&entry.id) && is_of(entry, chosen) {
                chosen.insert(entry.id);
            }
        }
        chosen.len() > before
    }

    fn belongs(&self, entry: &Entry, chosen: &BTreeSet<u32>) -> bool {
        let of = || self.archive.relied_on(entry);
        let is_chosen = |other: &Entry| chosen.contains(&other.id);
        match entry.description.as_str() {
            "TABLE" => {
                let is_partition = self.parent(entry.id).is_some_and(|parent| chosen.contains(&parent));
                is_partition || of().any(|other| is_chosen(other) && inherits(entry, other))
            }
            "TABLE ATTACH" => {
                of().any(|table| is_chosen(table) && table.tag == entry.tag && table.schema == entry.schema)
            }
            "INDEX ATTACH" => of().filter(|other| other.is_any(&["INDEX", "CONSTRAINT"])).all(is_chosen),
            "SEQUENCE" => of().any(|table| is_chosen(table) && table.description == "TABLE"),
            "SEQUENCE OWNED BY" => self.relies(entry, chosen),
            "MATERIALIZED VIEW DATA" => of().any(|view| is_chosen(view) && view.tag == entry.tag),
            _ if entry.is_any(&NOTES) => self.relies(entry, chosen),
            _ if entry.is_any(&OF_ITS_TAG) => of().any(|other| is_chosen(other) && is_tag_of(entry, other)),
            _ if entry.is_any(&OF_RELATIONS) => of().any(|other| is_chosen(other) && other.is_any(&RELATIONS)),
            _ => false,
        }
    }

    fn relies(&self, entry: &Entry, chosen: &BTreeSet<u32>) -> bool {
        entry.relies_on.iter().any(|id| chosen.contains(id))
    }
}

fn is_tag_of(entry: &Entry, other: &Entry) -> bool {
    let own = entry.tag.strip_prefix(&other.tag).is_some_and(|rest| rest.starts_with(' '));
    own && entry.schema == other.schema && (other.is_any(&RELATIONS) || other.description == "DOMAIN")
}

/// The row type of a table is relied upon as the table is; only the statement tells of inheritance (`dumpTableSchema`).
fn inherits(table: &Entry, parent: &Entry) -> bool {
    let quoted = |name: &str| [name.to_owned(), format!("\"{}\"", name.replace('"', "\"\""))];
    let (schemas, names) = (quoted(parent.schema.as_deref().unwrap_or_default()), quoted(&parent.tag));
    let names = schemas.iter().flat_map(|schema| names.iter().map(move |name| format!("{schema}.{name}")));
    let names: Vec<String> = names.collect();
    let lists = table.definition.lines().filter_map(|line| line.strip_prefix("INHERITS ("));
    lists.into_iter().any(|list| {
        let all = list.trim_end_matches([';', ')']);
        all.split(", ").any(|one| names.iter().any(|name| name == one))
    })
}
