//! `verify`: reads what lies in the repositories and compares it with what their backups say of it. Needs no key: commit
//! markers vouch for lists of objects, lists for every object, and envelopes for the WAL.
//!
//! What is damaged is told with the backups that it hurts; the rest is read all the same.

mod object;
mod record;
mod tally;
mod wal;

use crate::config;
use crate::flow::workers;
use crate::model::catalog::{CommitMarker, ObjectLine, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::model::selector::Selector;
use crate::model::signature::Standing;
use crate::report::Listener;
use crate::report::verify::{Damage, Repository, Unvouched, Verify};

use super::catalog::{Catalog, generations};
use super::chosen::{self, Found};
use super::repository::{Opened, open_each};
use super::{Context, objects_list};
use tally::Tally;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Only this one, with the WAL that it needs.
    pub backup: Option<Selector>,
}

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Verify> {
    let (mut found, mut missing) = (false, None);
    let mut repositories = Vec::new();
    for (wanted, repository) in open_each(&context.config, listener)? {
        let mut verified = Repository::new(&wanted.name, repository.url());
        let work = Work { context, wanted, listener };
        let cluster = context.config.name.as_ref();
        match &request.backup {
            None => {
                for opened in generations(&repository, cluster)? {
                    let mut generation = Repository::new(&wanted.name, repository.url());
                    work.everything(&opened, &mut generation)?;
                    record::keep((context, wanted), &opened, None, &generation, listener);
                    verified.add(generation);
                }
            }
            Some(selector) => match chosen::backup((&repository, cluster), selector, |_| absent(selector)) {
                Ok(Found { opened, what: marker, .. }) => {
                    work.one(&opened, &marker, &mut verified)?;
                    record::keep((context, wanted), &opened, Some(&marker.summary.id), &verified, listener);
                    found = true;
                }
                // Another repository may have it.
                Err(error) if error.code == Code::NotFound => missing = Some(error),
                Err(error) => return Err(error),
            },
        }
        repositories.push(verified);
    }
    if let Some(missing) = missing.filter(|_| !found) {
        return Err(missing);
    }
    let is_sound = repositories.iter().all(|repository| repository.damaged.is_empty());
    let next = context.command(if is_sound { "list" } else { "backup" });
    Ok(Verify { repositories, next })
}

fn absent(selector: &Selector) -> Error {
    Error::new(Code::NotFound, format!("no repository has a backup {selector}")).hint("what there is: pgcairn list")
}

/// What is done in one repository.
struct Work<'w> {
    context: &'w Context,
    wanted: &'w config::Repository,
    listener: &'w dyn Listener,
}

impl Work<'_> {
    /// All that one system identifier left, and what of it nobody needs.
    fn everything(&self, opened: &Opened, verified: &mut Repository) -> Result<()> {
        let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
        verified.damaged.extend(catalog.unreadable.iter().map(|unreadable| Damage {
            object: unreadable.key.to_string(),
            reason: unreadable.error.to_string(),
            hurts: vec![unreadable.id.clone()],
        }));
        let tally = Tally::default();
        for marker in &catalog.backups {
            self.backup(opened, marker, &tally, verified)?;
        }
        let summaries: Vec<&Summary> = catalog.summaries().collect();
        wal::whole(self.context, self.wanted, opened, &summaries, &tally, verified)?;
        unreferenced(opened, &catalog, verified)?;
        tally.into(verified);
        Ok(())
    }

    /// A backup with the WAL that it needs.
    fn one(&self, opened: &Opened, marker: &CommitMarker, verified: &mut Repository) -> Result<()> {
        let tally = Tally::default();
        self.backup(opened, marker, &tally, verified)?;
        wal::of_backup(opened, &marker.summary, &tally, verified)?;
        tally.into(verified);
        Ok(())
    }

    fn backup(&self, opened: &Opened, marker: &CommitMarker, tally: &Tally, verified: &mut Repository) -> Result<()> {
        let summary = &marker.summary;
        self.listener.notice(format!("reading backup {} in {}", summary.id, verified.name));
        match marker.signed.standing(&self.context.trusted) {
            Standing::Wrong { reason } => tally.damage(Damage {
                object: opened.keys.backup(&summary.id).to_string(),
                reason: format!("its signature is wrong: {reason}"),
                hurts: vec![summary.id.clone()],
            }),
            Standing::Unsigned => verified.unvouched.push(Unvouched { backup: summary.id.clone(), key: None }),
            Standing::Unknown { key } => {
                verified.unvouched.push(Unvouched { backup: summary.id.clone(), key: Some(key.to_string()) });
            }
            Standing::Pinned { .. } => {}
        }
        verified.backups += 1;
        objects(self.context, opened, summary, tally)
    }
}

/// Every object that the list names, and the list itself. What another backup wrote that is there is read with that one.
fn objects(context: &Context, opened: &Opened, backup: &Summary, tally: &Tally) -> Result<()> {
    let (reader, list) = (opened.repository.reader(), opened.keys.objects(&backup.id));
    let jobs = crate::flow::memory::share(context.config.backup.jobs()).jobs;
    let mut batch: Vec<ObjectLine> = Vec::new();
    let verify = |batch: &mut Vec<ObjectLine>| {
        workers::each(jobs, std::mem::take(batch).into_iter(), |line| {
            context.interrupt.check()?;
            object::verify(&reader, opened.repository.encryption(), &line, backup, tally)
        })
    };
    let read = objects_list::read(&reader, &list, &backup.objects, |line| {
        batch.push(line);
        if batch.len() >= BATCH { verify(&mut batch) } else { Ok(()) }
    });
    match read {
        Ok(()) => tally.sound(backup.objects.size),
        Err(error) if error.code == Code::Damaged => {
            let reason = error.message;
            tally.damage(Damage { object: list.to_string(), reason, hurts: vec![backup.id.clone()] });
        }
        Err(error) => return Err(error),
    }
    verify(&mut batch)
}

/// Parts that no backup needs: of one under way, of a dropped one, or left by one that was killed.
fn unreferenced(opened: &Opened, catalog: &Catalog, verified: &mut Repository) -> Result<()> {
    for directory in opened.keys.parts() {
        for entry in opened.repository.reader().list(&directory)? {
            let writer = opened.keys.writer_of(&entry.key);
            let is_known = |id: &BackupId| catalog.summaries().any(|backup| backup.id == *id);
            if !writer.as_ref().is_some_and(is_known) {
                verified.unreferenced_objects += 1;
                verified.unreferenced_bytes += entry.size;
            }
        }
    }
    Ok(())
}
