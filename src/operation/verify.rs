//! `verify`: reads what lies in the repositories and compares it with what their backups say of it. Without a key commit
//! markers vouch for lists of objects, lists for every object, and envelopes for the WAL. With one all of it is opened,
//! and compared with the digests that were made of it when it was backed up.
//!
//! What is damaged is told with the backups that it hurts; the rest is read all the same.

mod content;
mod object;
mod record;
mod remedy;
mod tally;
mod wal;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::codec::Opener;
use crate::config;
use crate::flow::workers;
use crate::model::catalog::{CommitMarker, MAX_OBJECTS, ObjectLine, ObjectList, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, Encryption, Key};
use crate::model::selector::Selector;
use crate::model::signature::Standing;
use crate::model::verification::Proof;
use crate::report::verify::{BackupProof, Damage, Repository, Unvouched, Verify};
use crate::report::{Listener, Phase, Progress};

use super::catalog::{Catalog, generations};
use super::chosen::{self, Found};
use super::repository::{Opened, open_each};
use super::watched::watched;
use super::{Context, failure, objects_list};
use tally::Tally;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Only this one, with the WAL that it needs.
    pub backup: Option<Selector>,
    /// Objects as they are stored, though what is in them could be read.
    pub keyless: bool,
}

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Verify> {
    let (mut found, mut missing) = (false, None);
    let mut repositories = Vec::new();
    for (wanted, repository) in &open_each(&context.config, listener)? {
        let opener = opener(context, repository.encryption(), request.keyless);
        let work = Work { context, wanted, listener, opener, opened_any: AtomicBool::new(false) };
        let mut verified = work.nothing_yet(repository);
        let cluster = context.config.name.as_ref();
        match &request.backup {
            None => {
                for opened in generations(repository, cluster)? {
                    let mut generation = work.nothing_yet(repository);
                    work.everything(&opened, &mut generation)?;
                    record::keep((context, wanted), &opened, None, &generation, listener);
                    verified.add(generation);
                }
            }
            Some(selector) => match chosen::backup((repository, cluster), selector, |_| absent(selector)) {
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
    let next = remedy::advise(context, &mut repositories);
    Ok(Verify { repositories, next })
}

/// As close as it can be.
fn opener(context: &Context, encryption: Encryption, keyless: bool) -> Option<Opener> {
    match encryption {
        _ if keyless => None,
        Encryption::None => Some(Opener::plain()),
        Encryption::Age => context.identities.clone().map(Opener::new),
    }
}

fn absent(selector: &Selector) -> Error {
    Error::new(Code::NotFound, format!("no repository has a backup {selector}")).hint("what there is: pgcairn list")
}

/// What is done in one repository.
struct Work<'w> {
    context: &'w Context,
    wanted: &'w config::Repository,
    listener: &'w dyn Listener,
    /// Where content is read too.
    opener: Option<Opener>,
    /// The identity has opened something here: what it does not open later is another thing's fault.
    opened_any: AtomicBool,
}

impl Work<'_> {
    fn nothing_yet(&self, repository: &crate::store::Repository) -> Repository {
        let proof = if self.opener.is_some() { Proof::Content } else { Proof::Object };
        Repository { proof, ..Repository::new(&self.wanted.name, repository.url()) }
    }

    fn jobs(&self) -> usize {
        crate::flow::memory::share(self.context.config.backup.jobs()).jobs
    }

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
        wal::whole(self, opened, &summaries, &tally, verified)?;
        unreferenced(opened, &catalog, verified)?;
        tally.into(verified);
        Ok(())
    }

    /// A backup with the WAL that it needs.
    fn one(&self, opened: &Opened, marker: &CommitMarker, verified: &mut Repository) -> Result<()> {
        let tally = Tally::default();
        self.backup(opened, marker, &tally, verified)?;
        wal::of_backup(self, opened, &marker.summary, &tally, verified)?;
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
        verified.backup_proofs.push(BackupProof { backup: summary.id.clone(), proof: verified.proof, sound: true });
        let done = AtomicU64::new(0);
        let total = Some(if self.opener.is_some() { summary.totals.data_bytes } else { summary.totals.stored_bytes });
        let progress = || {
            let bytes_done = done.load(Ordering::Relaxed);
            Progress { bytes_done, bytes_total: total, ..Progress::new(Phase::Verifying) }
        };
        watched(self.listener, progress, || match &self.opener {
            None => self.objects(opened, summary, &done, tally),
            Some(opener) => self.content(opened, opener, summary, &done, tally),
        })
    }

    /// Every object that the list names, and the list itself. What another backup wrote that is there is read with that
    /// one.
    fn objects(&self, opened: &Opened, backup: &Summary, done: &AtomicU64, tally: &Tally) -> Result<()> {
        let (reader, encryption) = (opened.repository.reader(), opened.repository.encryption());
        let mut batch: Vec<ObjectLine> = Vec::new();
        let verify = |batch: &mut Vec<ObjectLine>| {
            workers::each(self.jobs(), std::mem::take(batch).into_iter(), |line| {
                self.context.interrupt.check()?;
                object::verify(&reader, encryption, &line, backup, tally)?;
                done.fetch_add(line.size, Ordering::Relaxed);
                Ok(())
            })
        };
        list(opened, backup, tally, |line| {
            batch.push(line);
            if batch.len() >= BATCH { verify(&mut batch) } else { Ok(()) }
        })?;
        verify(&mut batch)
    }

    fn content(
        &self,
        opened: &Opened,
        opener: &Opener,
        backup: &Summary,
        done: &AtomicU64,
        tally: &Tally,
    ) -> Result<()> {
        let mut lines = Vec::new();
        let is_sound = list(opened, backup, tally, |line| {
            lines.push(line);
            if lines.len() > MAX_OBJECTS { Err(too_long(&opened.keys.objects(&backup.id))) } else { Ok(()) }
        })?;
        if !is_sound {
            // A restore goes no further; what is there may still be copied from another repository.
            return workers::each(self.jobs(), lines.into_iter(), |line| {
                self.context.interrupt.check()?;
                object::verify(&opened.repository.reader(), opened.repository.encryption(), &line, backup, tally)
            });
        }
        let source = content::Source { context: self.context, opened, opener, jobs: self.jobs(), compared: done };
        content::verify(&source, backup, &ObjectList::new(lines), tally)?;
        self.opened_any.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn too_long(list: &Key) -> Error {
    failure::damaged(list, format!("it names more than {MAX_OBJECTS} objects"))
}

/// Hands on every line, those of a damaged list as well; tells whether it is sound.
fn list(opened: &Opened, backup: &Summary, tally: &Tally, visit: impl FnMut(ObjectLine) -> Result<()>) -> Result<bool> {
    let key = opened.keys.objects(&backup.id);
    match objects_list::read(&opened.repository.reader(), &key, &backup.objects, visit) {
        Ok(()) => {
            tally.sound(backup.objects.size);
            Ok(true)
        }
        Err(error) if error.code == Code::Damaged => {
            let reason = error.message;
            tally.damage(Damage { object: key.to_string(), reason, hurts: vec![backup.id.clone()] });
            Ok(false)
        }
        Err(error) => Err(error),
    }
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
