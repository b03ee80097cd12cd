//! What a run before has left: which database it is, and what of it is there.

use std::collections::BTreeSet;

use super::archive;
use super::load::Schema;
use super::{Request, Wanted, Work};
use crate::model::dump::archive::{Entry, after_rows};
use crate::model::dump::selection::Selection;
use crate::model::dump::{Part, Stream, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::sha256::Sha256Sum;
use crate::postgres::{Connection, Ledger, Left, NewDatabase, Purpose, Section, Step, Unfinished};
use crate::report::Listener;

/// Digits of the sum that stands for what was asked.
const DIGITS: usize = 16;

/// What becomes of a database that is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incomplete {
    /// Its server is thrown away with it.
    Dropped,
    /// It stays where the way to it, or to the repository, is to blame.
    Kept,
    /// It stays unless it has other rows than were dumped, and what a run before has left is gone on with.
    GoneOnWith,
}

impl Incomplete {
    pub fn is_kept(self, error: &Error, new: &mut NewDatabase<'_>) -> bool {
        let is_of_the_way = [Code::Unreachable, Code::Interrupted, Code::Io, Code::Permission, Code::NotARepository];
        new.step > Step::Definitions
            && !new.has_other_rows
            && match self {
                Incomplete::Dropped => false,
                // A program that lost the server says so in any language; so does our own session.
                Incomplete::Kept => is_of_the_way.contains(&error.code) || new.is_lost(),
                Incomplete::GoneOnWith => true,
            }
    }
}

pub fn purpose(request: &Request, summary: &Summary, part: &Part) -> Purpose {
    let sum = Sha256Sum::of(asked(request).join(" ").as_bytes()).to_string();
    Purpose {
        dump: summary.id.to_string(),
        database: part.database.name.clone(),
        asked: sum.chars().take(DIGITS).collect(),
    }
}

/// The words of the command that make another database, in whatever order they were given.
fn asked(request: &Request) -> Vec<String> {
    let Request { wish, owners, .. } = request;
    let flags = [
        (wish.schema_only, "--schema-only"),
        (owners.no_owner, "--no-owner"),
        (owners.no_privileges, "--no-privileges"),
        (owners.no_tablespaces, "--no-tablespaces"),
    ];
    let mut words: Vec<String> = wish.schemas.iter().map(|schema| format!("--schema {schema}")).collect();
    words.extend(wish.tables.iter().map(|table| format!("--table {table}")));
    words.extend(flags.into_iter().filter(|(is_given, _)| *is_given).map(|(_, flag)| flag.to_owned()));
    words.sort();
    words
}

/// Looked for in any case: whoever does not know of one would fill the disk twice. Each is gone on with once.
pub fn look(
    request: &Request,
    wanted: &mut [Wanted<'_>],
    server: &mut Connection,
    listener: &dyn Listener,
) -> Result<()> {
    let mut taken: Vec<String> = Vec::new();
    for wanted in wanted.iter_mut().filter(|wanted| wanted.is_new()) {
        let Left { same, others } = server.unfinished(&wanted.purpose)?;
        let mut same: Vec<Unfinished> = same.into_iter().filter(|left| !taken.contains(&left.name)).collect();
        let goes_on = request.incomplete == Incomplete::GoneOnWith;
        wanted.unfinished = same.first().cloned().filter(|_| goes_on);
        same.drain(..usize::from(wanted.unfinished.is_some()));
        taken.extend(wanted.unfinished.iter().map(|left| left.name.clone()));
        let database = &wanted.purpose.database;
        if goes_on {
            listener.notice(resumed(database, wanted.unfinished.as_ref(), request.plan));
        }
        for left in same {
            let how = if goes_on { "" } else { "go on with it: --resume; or " };
            listener.warning(lies_there(&left.name, database, "", how));
        }
        for name in others {
            listener.warning(lies_there(&name, database, ", with other parts or owners than are asked for", ""));
        }
    }
    Ok(())
}

fn resumed(database: &str, left: Option<&Unfinished>, is_planned: bool) -> String {
    let (goes, begins) = if is_planned { ("would go", "would begin") } else { ("goes", "begins") };
    match left {
        Some(left) if left.is_begun() => {
            format!("dump restore: {database}: {goes} on with {}, which is at its {}", left.name, left.step)
        }
        Some(left) => format!("dump restore: {database}: {begins} in the place of {}, which has no rows", left.name),
        None => format!("dump restore: {database}: nothing is left to go on with: {begins}"),
    }
}

fn lies_there(name: &str, database: &str, but: &str, how: &str) -> Error {
    let message = format!("{name} is what a run before has left of {database}{but}, or what another run is filling");
    // Refused by the server while anybody is connected.
    Error::new(Code::Flagged, message).hint(format!("{how}where no run is at it, drop it: DROP DATABASE {name}"))
}

impl Work<'_> {
    /// A new one, unless a run before has left one that can be gone on with.
    pub(super) fn begin<'c>(
        &self,
        server: &'c mut Connection,
        wanted: &Wanted<'_>,
    ) -> Result<(NewDatabase<'c>, Ledger)> {
        let (purpose, interrupt) = (wanted.purpose.clone(), &self.context.interrupt);
        if let Some(left) = wanted.unfinished.clone() {
            // Where another run is at it this is refused, and nothing of it touched.
            let ledger = Ledger::open(&self.reach, &left.name, interrupt)?;
            let step = ledger.step(&purpose, interrupt)?;
            let anew = match step {
                Step::Definitions => Some("it has no rows"),
                _ => ledger.cannot_go_on(step, interrupt)?,
            };
            let Some(reason) = anew else {
                return Ok((NewDatabase::resume(server, Unfinished { step, ..left }, purpose), ledger));
            };
            self.listener.notice(format!("dump restore: begins in the place of {}: {reason}", left.name));
            ledger.silence(interrupt)?;
            drop(ledger);
            NewDatabase::resume(server, left, purpose.clone()).drop_unused()?;
        }
        let mut new = NewDatabase::create(server, &wanted.part.database, purpose)?;
        match Ledger::open(&self.reach, &new.name, interrupt) {
            Ok(ledger) => Ok((new, ledger)),
            Err(error) if new.is_lost() => Err(error),
            Err(error) => Err(new.drop_again(error)),
        }
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

    /// What is made after rows, where a run before has made some of it. What has a name of its own stays where it is there:
    /// indexes and constraints, which took long, are each one statement. The rest is dropped and made again.
    pub(super) fn rest_of_section(
        &self,
        new: &mut NewDatabase<'_>,
        ledger: &Ledger,
        section: Section,
        (part, schema): (&Part, Schema<'_>),
    ) -> Result<()> {
        new.reset()?;
        ledger.silence(&self.context.interrupt)?;
        let entries = archive::table_of_contents(self.streams, &part.schema)?;
        let there = new.look()?;
        let is_there = |entry: &Entry| entry.object().is_some_and(|object| there.objects.contains_key(&object));
        let wanted = after_rows(&entries).filter(|entry| schema.has(entry.id) && !is_there(entry));
        let list = archive::list(&wanted.map(|entry| entry.id).collect::<Vec<_>>())?;
        self.section(&new.name, section, &schema.of_list(list))
    }
}
