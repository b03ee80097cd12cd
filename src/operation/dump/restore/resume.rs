//! What a run before has left: which database it is, and what of it is there.

use std::collections::BTreeSet;

use super::archive::{self, Selected};
use super::{Request, Wanted, Work};
use crate::model::dump::archive::Entry;
use crate::model::dump::selection::{Class, Selection};
use crate::model::dump::{Part, Stream, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::sha256::Sha256Sum;
use crate::postgres::{Connection, Ledger, NewDatabase, Purpose, Step, Unfinished};
use crate::report::Listener;

/// Digits of the sum that stands for what was asked.
const DIGITS: usize = 16;

pub fn purpose(request: &Request, summary: &Summary, part: &Part) -> Purpose {
    let asked = format!("{:?} {:?}", request.wish, request.owners);
    let sum = Sha256Sum::of(asked.as_bytes()).to_string();
    Purpose {
        dump: summary.id.to_string(),
        database: part.database.name.clone(),
        asked: sum.chars().take(DIGITS).collect(),
    }
}

/// Looked for in any case: whoever does not know of one would fill the disk twice.
pub fn look(
    server: &mut Connection,
    purpose: &Purpose,
    is_asked: bool,
    listener: &dyn Listener,
) -> Result<Option<Unfinished>> {
    let left = server.unfinished(purpose)?;
    let (database, found) = (&purpose.database, left.same.into_iter().next());
    match (is_asked, &found) {
        (true, Some(Unfinished { name, step })) => {
            listener.notice(format!("dump restore: goes on with {name}, which is at its {step}"));
        }
        (true, None) => {
            listener.notice(format!("dump restore: nothing of {database} is left to go on with: it begins"))
        }
        (false, Some(Unfinished { name, .. })) => {
            let message = format!("{name} is what a run before has left of {database}, or is filling");
            let hint = format!("go on with it: --resume; or drop it: DROP DATABASE {name} WITH (FORCE)");
            listener.warning(Error::new(Code::Flagged, message).hint(hint));
        }
        (false, None) => {}
    }
    for name in &left.others {
        let message = format!(
            "{name} is what a run before has left of {database}, of which it was to restore other parts or owners"
        );
        listener
            .warning(Error::new(Code::Flagged, message).hint(format!("drop it: DROP DATABASE {name} WITH (FORCE)")));
    }
    Ok(found.filter(|_| is_asked))
}

impl Work<'_> {
    /// A new one, unless a run before has left one whose definitions are complete.
    pub(super) fn begin<'c>(
        &self,
        server: &'c mut Connection,
        wanted: &Wanted<'_>,
    ) -> Result<(NewDatabase<'c>, Ledger)> {
        let purpose = wanted.purpose.clone();
        if let Some(left) = wanted.unfinished.clone() {
            // Where another run is at it this is refused, and nothing of it touched.
            let ledger = self.ledger(&left.name)?;
            if left.step > Step::Definitions {
                return Ok((NewDatabase::resume(server, left, purpose), ledger));
            }
            drop(ledger);
            NewDatabase::resume(server, left, purpose.clone()).drop_unused()?;
        }
        let new = NewDatabase::create(server, &wanted.part.database, purpose)?;
        match self.ledger(&new.name) {
            Ok(ledger) => Ok((new, ledger)),
            Err(error) => Err(new.drop_again(error)),
        }
    }

    fn ledger(&self, name: &str) -> Result<Ledger> {
        Ledger::open(&self.reach, name, &self.context.interrupt)
    }

    /// What a run that did not come to the end of this archive may have put there: `pg_restore` loads table by table.
    pub(super) fn empty(&self, ledger: &Ledger, rest: &Stream, selection: Option<&Selection>) -> Result<()> {
        let entries = archive::table_of_contents(self.streams, rest)?;
        let ids: Option<BTreeSet<u32>> = selection.map(|selection| selection.rows(&entries).into_iter().collect());
        let is_wanted = |entry: &&Entry| ids.as_ref().is_none_or(|ids| ids.contains(&entry.id));
        let tables: Vec<_> = entries.iter().filter(is_wanted).filter_map(Entry::filled).collect();
        let interrupt = &self.context.interrupt;
        ledger.empty(&tables, interrupt)?;
        // Those that are made with their content; pg_dump before 17 has them made before, and fills them anew.
        match entries.iter().filter(is_wanted).any(Entry::makes_large_objects) {
            true => ledger.unlink_large_objects(interrupt),
            false => Ok(()),
        }
    }

    /// Of what is made after rows all but what took long and is there.
    pub(super) fn remaining(
        &self,
        new: &NewDatabase<'_>,
        part: &Part,
        selected: Option<&Selected>,
    ) -> Result<tempfile::NamedTempFile> {
        let there = new.look()?;
        let wanted: Option<BTreeSet<u32>> =
            selected.map(|selected| selected.selection.statements.iter().copied().collect());
        let entries = archive::table_of_contents(self.streams, &part.schema)?;
        let is_wanted = |entry: &&Entry| wanted.as_ref().is_none_or(|wanted| wanted.contains(&entry.id));
        let is_there = |entry: &Entry| {
            let takes_long = |class| class == Class::Constraint || entry.description == "INDEX";
            let object = entry.object().filter(|object| takes_long(object.class));
            object.is_some_and(|object| there.objects.contains_key(&object))
        };
        let ids: Vec<u32> =
            entries.iter().filter(is_wanted).filter(|entry| !is_there(entry)).map(|entry| entry.id).collect();
        archive::list(&ids)
    }
}
