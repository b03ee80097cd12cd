//! What a selection relies on beside itself: made too in a new database, looked for in one that is there. What only refers
//! to something that is not there is left out.

use std::collections::BTreeSet;

use super::belongs::Belongs;
use super::{Archive, NOTES, SelectionError};
use crate::model::dump::archive::Entry;

/// A table is whole without them.
const DISPENSABLE: [&str; 8] = [
    "FK CONSTRAINT",
    "TRIGGER",
    "RULE",
    "POLICY",
    "TABLE ATTACH",
    "INDEX ATTACH",
    "SEQUENCE OWNED BY",
    "PUBLICATION TABLE",
];
/// What would not be of use without rows.
const WITH_ROWS: [&str; 8] =
    ["TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE", "INDEX", "CONSTRAINT", "PUBLICATION"];

#[derive(Default)]
pub struct Needs {
    pub along: BTreeSet<u32>,
    pub attachments: Vec<u32>,
    pub left_out: Vec<u32>,
}

/// Takes out of what is chosen whatever is left out or comes last.
pub fn of(
    archive: &Archive<'_>,
    belongs: &Belongs<'_, '_>,
    chosen: &mut BTreeSet<u32>,
    there: Option<&BTreeSet<u32>>,
) -> Result<Needs, SelectionError> {
    let look = Look { archive, belongs, there };
    let mut needs = Needs::default();
    look.leave_out(chosen, &mut needs);
    let (mut lacking, mut todo): (Vec<String>, Vec<u32>) = (Vec::new(), chosen.iter().copied().collect());
    while let Some(entry) = todo.pop().and_then(|id| archive.get(id)) {
        for other in look.outside(entry, chosen) {
            if there.is_none() || other.description == "SCHEMA" {
                if needs.along.insert(other.id) {
                    todo.push(other.id);
                }
            } else if other.object().is_some() {
                lacking.push(other.words());
            }
        }
    }
    lacking.sort();
    lacking.dedup();
    if lacking.is_empty() { Ok(needs) } else { Err(SelectionError::Lacking(lacking)) }
}

struct Look<'l, 'e> {
    archive: &'l Archive<'e>,
    belongs: &'l Belongs<'l, 'e>,
    there: Option<&'l BTreeSet<u32>>,
}

impl<'e> Look<'_, 'e> {
    /// What it relies on and is neither chosen nor there.
    fn outside(&self, entry: &Entry, chosen: &BTreeSet<u32>) -> Vec<&'e Entry> {
        let parent = self.belongs.parent(entry.id);
        // A partition is made by itself, and so are its indexes.
        let is_loose =
            |other: &Entry| Some(other.id) == parent || entry.description == "INDEX" && other.is_any(&["INDEX"]);
        let is_there = |other: &Entry| self.there.is_some_and(|there| there.contains(&other.id));
        let of = self.archive.relied_on(entry).filter(|other| !chosen.contains(&other.id));
        of.filter(|other| !is_loose(other) && !is_there(other)).collect()
    }

    fn leave_out(&self, chosen: &mut BTreeSet<u32>, needs: &mut Needs) {
        for id in self.archive.in_order(chosen) {
            let Some(entry) = self.archive.get(id).filter(|entry| entry.is_any(&DISPENSABLE)) else { continue };
            let refers = |other: &&Entry| self.there.is_some() && other.object().is_some() || other.is_any(&WITH_ROWS);
            let is_of_others = self.archive.relied_on(entry).any(|other| !chosen.contains(&other.id));
            match entry.description.as_str() {
                // An index follows its table.
                "INDEX ATTACH" if is_of_others => {}
                _ if self.outside(entry, chosen).iter().any(refers) => needs.left_out.push(id),
                "TABLE ATTACH" if is_of_others => needs.attachments.push(id),
                _ => continue,
            }
            chosen.remove(&id);
        }
        let gone: BTreeSet<u32> = needs.left_out.iter().copied().collect();
        let is_note = |id: &u32| {
            self.archive
                .get(*id)
                .is_some_and(|entry| entry.is_any(&NOTES) && entry.relies_on.iter().any(|of| gone.contains(of)))
        };
        chosen.retain(|id| !is_note(id));
    }
}
