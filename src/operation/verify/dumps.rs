//! Dumps: each object as it is stored, and with a key every stream, opened and decompressed to its end, which must be as
//! long as the contents say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::due::{Due, Sighted};
use super::tally::Tally;
use super::{Work, relied_upon};
use crate::codec::Opener;
use crate::flow::inward::InwardError;
use crate::flow::stream_reader::StreamReader;
use crate::flow::workers;
use crate::model::catalog::ObjectList;
use crate::model::dump::{Contents, Marker, Stream, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::verification::Proof;
use crate::operation::dump::catalog::{self, Dumps};
use crate::operation::objects_list::ListOf;
use crate::operation::repository::Opened;
use crate::report::verify::{Damage, Repository};

impl Work<'_> {
    pub(super) fn dumps(
        &self,
        opened: &Opened,
        dumps: &Dumps,
        due: &Due<'_>,
        tally: &Tally,
        verified: &mut Repository,
    ) -> Result<()> {
        for (id, error) in &dumps.unreadable {
            let (object, reason) = (opened.keys.dump(id).to_string(), error.message.clone());
            verified.damaged.push(Damage { object, reason, hurts: vec![id.clone()] });
        }
        dumps.dumps.iter().try_for_each(|marker| self.dump(opened, marker, due, tally, verified))
    }

    pub(super) fn one_dump(&self, opened: &Opened, marker: &Marker, verified: &mut Repository) -> Result<()> {
        let tally = Tally::default();
        self.dump(opened, marker, &self.due(), &tally, verified)?;
        tally.into(verified);
        Ok(())
    }

    fn dump(
        &self,
        opened: &Opened,
        marker: &Marker,
        due: &Due<'_>,
        tally: &Tally,
        verified: &mut Repository,
    ) -> Result<()> {
        let summary = &marker.summary;
        self.listener.notice(format!("reading dump {} in {}", summary.id, verified.name));
        self.begin(opened, &summary.id, &marker.signed, tally, verified);
        verified.dumps += 1;
        self.watched((summary.totals.data_bytes, summary.totals.stored_bytes), |done| match &self.opener {
            None => self.objects(opened, &ListOf::dump(&opened.keys, summary), due, done, tally),
            Some(opener) => self.streams((opened, opener), summary, due, done, tally),
        })
    }

    fn streams(
        &self,
        (opened, opener): (&Opened, &Opener),
        dump: &Summary,
        due: &Due<'_>,
        done: &AtomicU64,
        tally: &Tally,
    ) -> Result<()> {
        let (is_sound, lines) = self.sights(opened, &ListOf::dump(&opened.keys, dump), tally)?;
        let contents = if is_sound { self.contents((opened, opener), dump, &lines, due, tally)? } else { None };
        let Some(contents) = contents else {
            // A restore goes no further; what is there may still be copied to another repository. Nothing is opened.
            let key = opened.keys.dump_contents(&dump.id);
            let rest = lines.iter().filter(|(line, _)| !is_sound || line.key != key);
            return workers::each(self.jobs(), rest, |(line, seen)| {
                self.object(opened, &dump.id, (line, *seen), due, Proof::Object, tally)
            });
        };
        let reading = Reading { work: self, opened, opener, dump, due, tally, lines: by_key(&lines) };
        workers::each(self.jobs(), contents.streams(), |stream| reading.stream(stream, done))?;
        // What no stream has named.
        let rest = reading.rest(&contents);
        workers::each(self.jobs(), rest.into_iter(), |(line, seen)| {
            self.object(opened, &dump.id, (line, *seen), due, due.proof, tally)
        })
    }

    /// Always read: they say what everything else must be.
    fn contents(
        &self,
        (opened, opener): (&Opened, &Opener),
        dump: &Summary,
        lines: &[Sighted],
        due: &Due<'_>,
        tally: &Tally,
    ) -> Result<Option<Contents>> {
        let key = opened.keys.dump_contents(&dump.id);
        let list = ObjectList::new(lines.iter().map(|(line, _)| line.clone()).collect());
        let Some((line, seen)) = lines.iter().find(|(line, _)| line.key == key) else {
            let reason = "the list of objects does not name it".to_owned();
            tally.damage(Damage { object: key.to_string(), reason, hurts: vec![dump.id.clone()] });
            return Ok(None);
        };
        match catalog::contents_with(opener, opened, dump, &list) {
            Ok(contents) => {
                tally.sound(line.size);
                tally.cover.add(line.size, Some(due.now));
                seen.iter().for_each(|seen| self.remembered.sound(&key, *seen, Proof::Content, due.now));
                self.opened_any.store(true, Ordering::Relaxed);
                Ok(Some(contents))
            }
            Err(error) => {
                let reason = self.damage(error, &key)?;
                tally.damage(Damage { object: key.to_string(), reason, hurts: vec![dump.id.clone()] });
                tally.cover.add(line.size, None);
                self.remembered.forget(&key);
                Ok(None)
            }
        }
    }

    /// What is wrong with that object, in words that do not name it; any other error is none of its own.
    fn damage(&self, error: Error, key: &Key) -> Result<String> {
        // Objects are what the list says before they are opened: this one was closed for another key.
        let is_another_key = error.code == Code::Identity && self.opened_any.load(Ordering::Relaxed);
        let is_lost = [Code::Damaged, Code::NotFound].contains(&error.code);
        if !is_lost && !is_another_key {
            return Err(error);
        }
        let name = key.to_string();
        let bare = error.message.strip_prefix(&name).map(|rest| rest.trim_start_matches([' ', ':']));
        Ok(bare.map_or(error.message.clone(), str::to_owned))
    }
}

fn by_key(lines: &[Sighted]) -> BTreeMap<&Key, &Sighted> {
    lines.iter().map(|sighted| (&sighted.0.key, sighted)).collect()
}

/// One dump on its way through.
struct Reading<'r, 'w> {
    work: &'r Work<'w>,
    opened: &'r Opened,
    opener: &'r Opener,
    dump: &'r Summary,
    due: &'r Due<'r>,
    tally: &'r Tally,
    lines: BTreeMap<&'r Key, &'r Sighted>,
}

impl Reading<'_, '_> {
    /// Read to its end where one of its pieces is due.
    fn stream(&self, stream: &Stream, done: &AtomicU64) -> Result<()> {
        let keys: Vec<Key> =
            stream.pieces.iter().map(|number| self.opened.keys.dump_piece(&self.dump.id, *number)).collect();
        let pieces: Vec<&Sighted> = keys.iter().filter_map(|key| self.lines.get(key).copied()).collect();
        let is_due = |(line, seen): &&Sighted| self.due.reads(&line.key, *seen);
        if pieces.len() == keys.len() && !pieces.iter().any(is_due) {
            pieces.iter().for_each(|(line, seen)| relied_upon(self.due, line, *seen, self.tally));
            done.fetch_add(stream.bytes, Ordering::Relaxed);
            return Ok(());
        }
        let list = ObjectList::new(pieces.iter().map(|(line, _)| line.clone()).collect());
        let reader = self.opened.repository.reader();
        let (keys, dump, opener) = (&self.opened.keys, &self.dump.id, self.opener);
        let streams = StreamReader { reader: &reader, keys, dump, objects: &list, opener };
        let read = streams.read(stream, |bytes| {
            done.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.work.context.interrupt.check().map_err(Halted::Ended)
        });
        match read {
            Ok(()) => {
                pieces.iter().for_each(|(line, seen)| {
                    self.tally.sound(line.size);
                    self.tally.cover.add(line.size, Some(self.due.now));
                    seen.iter().for_each(|s| self.work.remembered.sound(&line.key, *s, Proof::Content, self.due.now));
                });
                Ok(())
            }
            Err(Halted::Ended(error)) => Err(error),
            Err(Halted::Inward(error)) => self.damaged(&pieces, error),
        }
    }

    /// What is wrong stands beside the object it was met in; the others are judged as they are stored.
    fn damaged(&self, pieces: &[&Sighted], error: InwardError) -> Result<()> {
        let Some(key) = error.about().cloned() else { return Err(error.into()) };
        let reason = self.work.damage(error.into(), &key)?;
        self.tally.damage(Damage { object: key.to_string(), reason, hurts: vec![self.dump.id.clone()] });
        for (line, seen) in pieces {
            if line.key == key {
                self.work.remembered.forget(&key);
                self.tally.cover.add(line.size, None);
            } else {
                self.work.object(self.opened, &self.dump.id, (line, *seen), self.due, Proof::Object, self.tally)?;
            }
        }
        Ok(())
    }

    /// What neither the contents are nor any stream has.
    fn rest(&self, contents: &Contents) -> Vec<&Sighted> {
        let mut lines = self.lines.clone();
        lines.remove(&self.opened.keys.dump_contents(&self.dump.id));
        for number in contents.streams().flat_map(|stream| &stream.pieces) {
            lines.remove(&self.opened.keys.dump_piece(&self.dump.id, *number));
        }
        lines.into_values().collect()
    }
}

/// Why a stream was not read to its end.
enum Halted {
    Ended(Error),
    Inward(InwardError),
}

impl From<InwardError> for Halted {
    fn from(error: InwardError) -> Halted {
        Halted::Inward(error)
    }
}
