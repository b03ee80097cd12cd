//! That all WAL of a restore is of one history, where several repositories are read: wherever the next segment comes from
//! another repository than the one before it, both must have the same content in what both have.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use super::scan::Scanned;
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::wal_name::WalName;
use crate::operation::repository::Opened;
use crate::operation::wal::archived;
use crate::operation::wal::histories::Pair;
use crate::report::Listener;

/// What each of several repositories has; nothing where there is only one.
pub struct Copies {
    each: Vec<Opened>,
    wal: Vec<BTreeSet<WalName>>,
}

impl Copies {
    pub fn read(source: &Source<'_>) -> Result<Copies> {
        let each = Some(source.opened.each()).filter(|each| each.len() > 1).unwrap_or_default();
        let names = |one: &Opened| archived::names(&one.repository.reader(), &one.keys, &one.keys.wal());
        let wal = each.iter().map(names).collect::<Result<_>>()?;
        Ok(Copies { each, wal })
    }

    /// Refuses what no server ever was. Pairs of which nothing proves that they belong together are told.
    pub fn check(
        &self,
        source: &Source<'_>,
        backup: &Summary,
        scanned: &Scanned,
        listener: &dyn Listener,
    ) -> Result<()> {
        if self.each.is_empty() {
            return Ok(());
        }
        let (size, keys) = (backup.postgresql.wal_segment_size, &source.opened.keys);
        let path: Vec<WalName> = scanned.segments.iter().map(|s| WalName::Segment(s.name(size))).collect();
        let mut last = self.of_backup(source, &keys.backup(&backup.id));
        let (mut used, mut unproven) = (BTreeSet::from_iter(last), BTreeMap::new());
        for (at, name) in path.iter().enumerate() {
            let Some(from) = self.taken_from(source, name) else { continue };
            used.insert(from);
            if let Some(last) = last.replace(from).filter(|last| *last != from)
                && !self.agree_at(source, (last, from), &path, at)?
            {
                unproven.entry((last.min(from), last.max(from))).or_insert(*name);
            }
        }
        self.agree_on_history(source, scanned.timeline.id, &used)?;
        for ((a, b), name) in unproven {
            listener.warning(nothing_in_common(&self.pair(source, a, b), &name));
        }
        Ok(())
    }

    fn pair<'p>(&'p self, source: &'p Source<'_>, a: usize, b: usize) -> Pair<'p> {
        Pair { a: &self.each[a], b: &self.each[b], opener: Some(&source.opener) }
    }

    /// What is nearest before the change, and what is nearest after it.
    fn agree_at(&self, source: &Source<'_>, (a, b): (usize, usize), path: &[WalName], at: usize) -> Result<bool> {
        let in_both = |name: &&WalName| self.wal[a].contains(name) && self.wal[b].contains(name);
        let pair = self.pair(source, a.min(b), a.max(b));
        let before = pair.agree(path[..at].iter().rev().filter(in_both).copied())?;
        let after = pair.agree(path[at..].iter().filter(in_both).copied())?;
        Ok(before || after)
    }

    /// Two servers may have been promoted to one timeline.
    fn agree_on_history(&self, source: &Source<'_>, timeline: u32, used: &BTreeSet<usize>) -> Result<()> {
        let name = WalName::History(timeline);
        let Some(from) = self.taken_from(source, &name) else { return Ok(()) };
        for other in used.iter().filter(|other| **other != from) {
            self.pair(source, from.min(*other), from.max(*other)).agree([name])?;
        }
        Ok(())
    }

    fn taken_from(&self, source: &Source<'_>, name: &WalName) -> Option<usize> {
        let having: Vec<usize> = (0..self.each.len()).filter(|number| self.wal[*number].contains(name)).collect();
        source.opened.repository.reader().taken_from(&source.opened.keys.wal_file(name), &having)
    }

    fn of_backup(&self, source: &Source<'_>, marker: &Key) -> Option<usize> {
        let has = |number: &usize| self.each[*number].repository.reader().stat(marker).is_ok();
        let having: Vec<usize> = (0..self.each.len()).filter(has).collect();
        source.opened.repository.reader().taken_from(marker, &having)
    }
}

fn nothing_in_common(pair: &Pair<'_>, name: &WalName) -> Error {
    let (a, b) = (pair.a.repository.name(), pair.b.repository.name());
    let message = format!("nothing proves that {a} and {b} hold one history: around {name} no segment is in both");
    Error::new(Code::Flagged, message)
        .hint(format!("look at what is restored; or take everything from one: {}", pair.one_of_both()))
}
