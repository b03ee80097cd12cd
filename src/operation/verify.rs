//! `verify`: reads what lies in the repositories and compares it with what their backups say of it. Without a key commit
//! markers vouch for lists of objects, lists for every object, and envelopes for the WAL. With one all of it is opened,
//! and compared with the digests that were made of it when it was backed up.
//!
//! What is damaged is told with the backups that it hurts; the rest is read all the same.

mod content;
mod due;
mod dumps;
mod object;
mod record;
mod remedy;
mod remembered;
mod share;
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
use crate::model::sha256::Sha256Sum;
use crate::model::signature::{Signed, Standing};
use crate::model::verification::Proof;
use crate::report::verify::{BackupProof, Damage, Repository, Unvouched, Verify};
use crate::report::{Listener, Phase, Progress};

use super::catalog::{Catalog, generations};
use super::chosen::{self, Found, Kept};
use super::dump::catalog::Dumps;
use super::objects_list::ListOf;
use super::repository::{Opened, open_each};
use super::wal::archived::Listed;
use super::watched::watched;
use super::{Context, failure, objects_list};
use crate::store::RepositoryUrl;
use content::Judged;
use due::{Candidates, Due, Parts, Sighted, Stored};
use remembered::{Known, Remembered, Seen};
use tally::Tally;

pub use due::AGAIN_AFTER;
pub use share::Share;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Only this one, with the WAL that it needs.
    pub backup: Option<Selector>,
    /// Objects as they are stored, though what is in them could be read.
    pub keyless: bool,
    pub how: How,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// What was not found sound within [`AGAIN_AFTER`].
    Due,
    All,
    /// Of what was read longest ago, or never.
    Sample(Share),
}

/// Lines of the list of objects that are held at once.
const BATCH: usize = 4096;

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Verify> {
    let (mut found, mut missing) = (false, None);
    let mut repositories = Vec::new();
    for (wanted, repository) in &open_each(&context.config, listener)? {
        let opener = opener(context, repository.encryption(), request.keyless);
        let remembered = remembered(context, wanted, repository);
        if matches!(request.how, How::Sample(_)) {
            remembered.check()?;
        }
        let (how, opened_any) = (request.how, AtomicBool::new(false));
        let work = Work { context, wanted, listener, opener, how, remembered, opened_any };
        let read = match &request.backup {
            None => work.repository(repository),
            Some(selector) => work.one_of(repository, selector),
        };
        // What was read before it failed counts, too.
        let is_whole = read.is_ok() && request.backup.is_none();
        if let Err(error) = work.remembered.finish(is_whole) {
            listener.notice(error.message);
        }
        match read {
            Ok(verified) => {
                repositories.push(verified);
                found = true;
            }
            // Another repository may have it.
            Err(error) if error.code == Code::NotFound && request.backup.is_some() => {
                repositories.push(work.nothing_yet(repository));
                missing = Some(error);
            }
            Err(error) => return Err(error),
        }
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
    how: How,
    remembered: Remembered,
    /// The identity has opened something here: what it does not open later is another thing's fault.
    opened_any: AtomicBool,
}

impl Work<'_> {
    fn nothing_yet(&self, repository: &crate::store::Repository) -> Repository {
        Repository { proof: self.proof(), ..Repository::new(&self.wanted.name, repository.url()) }
    }

    fn jobs(&self) -> usize {
        crate::flow::memory::share(self.context.config.backup.jobs()).jobs
    }

    fn proof(&self) -> Proof {
        if self.opener.is_some() { Proof::Content } else { Proof::Object }
    }

    fn due(&self) -> Due<'_> {
        Due::new(&self.remembered, self.proof(), self.context.now, self.how)
    }

    fn repository(&self, repository: &crate::store::Repository) -> Result<Repository> {
        let mut verified = self.nothing_yet(repository);
        for opened in generations(repository, self.context.config.name.as_ref())? {
            let mut generation = self.nothing_yet(repository);
            self.everything(&opened, &mut generation)?;
            record::keep((self.context, self.wanted), &opened, None, &generation, self.listener);
            verified.add(generation);
        }
        Ok(verified)
    }

    fn one_of(&self, repository: &crate::store::Repository, selector: &Selector) -> Result<Repository> {
        let place = (repository, self.context.config.name.as_ref());
        let found = chosen::backup_or_dump(place, selector).map_err(|error| match error.code {
            Code::NotFound => absent(selector),
            _ => error,
        });
        let Found { id, opened, what } = found?;
        let mut verified = self.nothing_yet(repository);
        match &what {
            Kept::Backup(marker) => self.one(&opened, marker, &mut verified)?,
            Kept::Dump(marker) => self.one_dump(&opened, marker, &mut verified)?,
        }
        record::keep((self.context, self.wanted), &opened, Some(&id), &verified, self.listener);
        Ok(verified)
    }

    /// What a sample is taken from: every backup, every dump and all WAL.
    fn take_sample(&self, due: &mut Due<'_>, opened: &Opened, catalog: &Catalog, dumps: &Dumps) -> Result<()> {
        let (mut candidates, nobody) = (Candidates::default(), Tally::default());
        for backup in catalog.summaries() {
            let (_, lines) = self.sights(opened, &ListOf::backup(&opened.keys, backup), &nobody)?;
            match self.proof() {
                Proof::Content => Parts::of(&opened.keys, backup, &lines).add_to(&mut candidates, due),
                Proof::Object => due.candidates(&mut candidates, &lines),
            }
        }
        for dump in &dumps.dumps {
            let (_, lines) = self.sights(opened, &ListOf::dump(&opened.keys, &dump.summary), &nobody)?;
            due.candidates(&mut candidates, &lines);
        }
        wal::candidates(opened, &Listed::read(&opened.repository.reader(), &opened.keys)?, due, &mut candidates);
        due.take(candidates);
        Ok(())
    }

    /// Every line of a list of objects, with what lies there; and whether the list is sound.
    fn sights(&self, opened: &Opened, of: &ListOf<'_>, tally: &Tally) -> Result<(bool, Vec<Sighted>)> {
        let reader = opened.repository.reader();
        let (mut lines, mut stored) = (Vec::new(), Stored::new(&reader));
        let is_sound = list(opened, of, tally, |line| {
            let seen = stored.sight(&line)?;
            lines.push((line, seen));
            if lines.len() > MAX_OBJECTS { Err(too_long(&of.key)) } else { Ok(()) }
        })?;
        lines.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok((is_sound, lines))
    }

    /// All that one system identifier left, and what of it nobody needs.
    fn everything(&self, opened: &Opened, verified: &mut Repository) -> Result<()> {
        let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
        verified.damaged.extend(catalog.unreadable.iter().map(|unreadable| Damage {
            object: unreadable.key.to_string(),
            reason: unreadable.error.to_string(),
            hurts: vec![unreadable.id.clone()],
        }));
        // Damage that somebody else has found is not known here, and nothing tells where it is.
        let anew = record::unsettled(opened)?.filter(|open| open.proof <= self.proof()).map(|open| open.since);
        let dumps = Dumps::read(&opened.repository.reader(), &opened.keys)?;
        let (tally, mut due) = (Tally::default(), self.due().anew_since(anew));
        if due.is_sample() {
            self.take_sample(&mut due, opened, &catalog, &dumps)?;
        }
        for marker in &catalog.backups {
            self.backup(opened, marker, &due, &tally, verified)?;
        }
        let summaries: Vec<&Summary> = catalog.summaries().collect();
        wal::whole(self, opened, &summaries, &due, &tally, verified)?;
        self.dumps(opened, &dumps, &due, &tally, verified)?;
        unreferenced(opened, &catalog, &dumps, verified)?;
        tally.into(verified);
        Ok(())
    }

    /// A backup with the WAL that it needs.
    fn one(&self, opened: &Opened, marker: &CommitMarker, verified: &mut Repository) -> Result<()> {
        let (tally, due) = (Tally::default(), self.due());
        self.backup(opened, marker, &due, &tally, verified)?;
        wal::of_backup(self, opened, &marker.summary, &due, &tally, verified)?;
        tally.into(verified);
        Ok(())
    }

    fn backup(
        &self,
        opened: &Opened,
        marker: &CommitMarker,
        due: &Due<'_>,
        tally: &Tally,
        verified: &mut Repository,
    ) -> Result<()> {
        let summary = &marker.summary;
        self.listener.notice(format!("reading backup {} in {}", summary.id, verified.name));
        self.begin(opened, &summary.id, &marker.signed, tally, verified);
        verified.backups += 1;
        self.watched((summary.totals.data_bytes, summary.totals.stored_bytes), |done| match &self.opener {
            None => self.objects(opened, &ListOf::backup(&opened.keys, summary), due, done, tally),
            Some(opener) => self.content((opened, opener), summary, due, done, tally),
        })
    }

    /// What `work` has done is told, and saved. With a key it goes through the content, without through what is stored.
    fn watched(&self, (content, stored): (u64, u64), work: impl FnOnce(&AtomicU64) -> Result<()> + Send) -> Result<()> {
        let done = AtomicU64::new(0);
        let total = Some(if self.opener.is_some() { content } else { stored });
        let progress = || {
            self.remembered.save_now_and_then();
            let bytes_done = done.load(Ordering::Relaxed);
            Progress { bytes_done, bytes_total: total, ..Progress::new(Phase::Verifying) }
        };
        watched(self.listener, progress, || work(&done))
    }

    /// Whoever vouches for it.
    fn begin(&self, opened: &Opened, id: &BackupId, signed: &Signed, tally: &Tally, verified: &mut Repository) {
        let marker = opened.keys.marker_of(id);
        match signed.standing(&self.context.trusted) {
            Standing::Wrong { reason } => tally.damage(Damage {
                object: marker.to_string(),
                reason: format!("its signature is wrong: {reason}"),
                hurts: vec![id.clone()],
            }),
            Standing::Unsigned => verified.unvouched.push(Unvouched { backup: id.clone(), key: None }),
            Standing::Unknown { key } => {
                verified.unvouched.push(Unvouched { backup: id.clone(), key: Some(key.to_string()) });
            }
            Standing::Pinned { .. } => {}
        }
        self.remembered.keep(&marker);
        verified.backup_proofs.push(BackupProof { backup: id.clone(), proof: verified.proof, sound: true });
    }

    /// Every object that the list names, and the list itself. What another backup wrote that is there is read with that
    /// one.
    fn objects(&self, opened: &Opened, of: &ListOf<'_>, due: &Due<'_>, done: &AtomicU64, tally: &Tally) -> Result<()> {
        let reader = opened.repository.reader();
        let (mut batch, mut stored) = (Vec::new(), Stored::new(&reader));
        let verify = |batch: &mut Vec<Sighted>| {
            workers::each(self.jobs(), std::mem::take(batch).into_iter(), |(line, seen)| {
                self.object(opened, of.id, (&line, seen), due, due.proof, tally)?;
                done.fetch_add(line.size, Ordering::Relaxed);
                Ok(())
            })
        };
        list(opened, of, tally, |line| {
            let seen = stored.sight(&line)?;
            if !due.reads(&line.key, seen) {
                done.fetch_add(line.size, Ordering::Relaxed);
                relied_upon(due, &line, seen, tally);
                return Ok(());
            }
            batch.push((line, seen));
            if batch.len() >= BATCH { verify(&mut batch) } else { Ok(()) }
        })?;
        verify(&mut batch)
    }

    /// One of them as it is stored, which proves as much as `proof`.
    fn object(
        &self,
        opened: &Opened,
        of: &BackupId,
        (line, seen): (&ObjectLine, Option<Seen>),
        due: &Due<'_>,
        proof: Proof,
        tally: &Tally,
    ) -> Result<()> {
        self.context.interrupt.check()?;
        let (reader, encryption) = (opened.repository.reader(), opened.repository.encryption());
        let is_sound = object::verify(&reader, encryption, line, of, tally)?;
        match seen.filter(|_| is_sound) {
            Some(seen) => self.remembered.sound(&line.key, seen, proof, due.now),
            None => self.remembered.forget(&line.key),
        }
        tally.cover.add(line.size, (is_sound && proof >= due.proof).then_some(due.now));
        Ok(())
    }

    fn content(
        &self,
        (opened, opener): (&Opened, &Opener),
        backup: &Summary,
        due: &Due<'_>,
        done: &AtomicU64,
        tally: &Tally,
    ) -> Result<()> {
        let (is_sound, lines) = self.sights(opened, &ListOf::backup(&opened.keys, backup), tally)?;
        if !is_sound {
            // A restore goes no further; what is there may still be copied to another repository. Nothing is opened.
            return workers::each(self.jobs(), lines.iter(), |(line, seen)| {
                self.object(opened, &backup.id, (line, *seen), due, Proof::Object, tally)
            });
        }
        // Which part an object belongs to is in the manifests.
        let is_another = |(line, seen): &Sighted| seen.is_none_or(|seen| due.known(&line.key, seen) == Known::Changed);
        let marker = (opened.keys.backup(&backup.id), said(backup));
        let says_another = due.known(&marker.0, marker.1) == Known::Changed;
        let parts = match says_another || lines.iter().any(is_another) {
            true => (1..=backup.parts).collect(),
            false => Parts::of(&opened.keys, backup, &lines).due(due),
        };
        let list = ObjectList::new(lines.iter().map(|(line, _)| line.clone()).collect());
        let source = content::Source { context: self.context, opened, opener, jobs: self.jobs(), compared: done };
        let sound = |key: &Key| {
            let seen = list.place(key).and_then(|at| lines.get(at)?.1);
            seen.into_iter().for_each(|seen| self.remembered.sound(key, seen, Proof::Content, due.now));
        };
        let judged = content::verify(&source, backup, &list, &parts, tally, &sound)?;
        if !parts.is_empty() {
            self.opened_any.store(true, Ordering::Relaxed);
        }
        self.remembered.sound(&marker.0, marker.1, Proof::Content, due.now);
        if !judged.agreed {
            self.remembered.forget(&marker.0);
        }
        let mut rest = Vec::new();
        for ((line, seen), judged) in lines.iter().zip(judged.objects) {
            match (judged, seen.map(|seen| due.known(&line.key, seen))) {
                (Judged::Sound, _) => tally.cover.add(line.size, Some(due.now)),
                (Judged::Unproven, _) => {
                    self.remembered.forget(&line.key);
                    tally.cover.add(line.size, None);
                }
                (Judged::NotRead, Some(Known::Sound(_))) => relied_upon(due, line, *seen, tally),
                (Judged::NotRead, _) if due.is_sample() => tally.cover.add(line.size, None),
                // No part has named it.
                (Judged::NotRead, _) => rest.push((line, *seen)),
            }
        }
        workers::each(self.jobs(), rest.into_iter(), |line| {
            self.object(opened, &backup.id, line, due, due.proof, tally)
        })
    }
}

/// The summary by what it says, in place of how a listing shows it: all parts were held against it.
fn said(backup: &Summary) -> Seen {
    let digest = Sha256Sum::of(&serde_json::to_vec(backup).unwrap_or_default());
    let size = digest.0.iter().take(8).fold(0, |size, byte| size << 8 | u64::from(*byte));
    Seen { size, modified: backup.stopped }
}

/// What is not read this time.
fn relied_upon(due: &Due<'_>, line: &ObjectLine, seen: Option<Seen>, tally: &Tally) {
    match seen.map(|seen| due.known(&line.key, seen)) {
        Some(Known::Sound(when)) => tally.remembered(line.size, when),
        _ => tally.cover.add(line.size, None),
    }
}

/// Who has no configuration leaves nothing behind, and earlier versions of objects say nothing of those that are there.
fn remembered(context: &Context, wanted: &config::Repository, repository: &crate::store::Repository) -> Remembered {
    let are_old = matches!(wanted.url.place(), RepositoryUrl::S3(settings) if settings.oldest_versions);
    match context.config.file.is_some() && !are_old {
        true => Remembered::read(&context.config, repository.id()),
        false => Remembered::nothing(repository.id()),
    }
}

fn too_long(list: &Key) -> Error {
    failure::damaged(list, format!("it names more than {MAX_OBJECTS} objects"))
}

/// Hands on every line, those of a damaged list as well; tells whether it is sound.
fn list(opened: &Opened, of: &ListOf<'_>, tally: &Tally, visit: impl FnMut(ObjectLine) -> Result<()>) -> Result<bool> {
    let key = &of.key;
    match objects_list::read(&opened.repository.reader(), key, of.digest, visit) {
        Ok(()) => {
            tally.sound(of.digest.size);
            Ok(true)
        }
        Err(error) if error.code == Code::Damaged => {
            let reason = error.message;
            tally.damage(Damage { object: key.to_string(), reason, hurts: vec![of.id.clone()] });
            // What it should name nobody has read.
            tally.cover.add(of.stored_bytes.max(1), None);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Parts that no backup or dump needs: of one under way, of a dropped one, or left by one that was killed.
fn unreferenced(opened: &Opened, catalog: &Catalog, dumps: &Dumps, verified: &mut Repository) -> Result<()> {
    let is_marker = |key: &Key| opened.keys.dump_id_of(key).is_some();
    for directory in opened.keys.parts().into_iter().chain([opened.keys.dumps()]) {
        for entry in opened.repository.reader().list(&directory)? {
            let writer = opened.keys.writer_of(&entry.key).or_else(|| opened.keys.dump_part_of(&entry.key));
            let is_known = |id: &BackupId| catalog.summaries().any(|backup| backup.id == *id) || dumps.has(id);
            if !is_marker(&entry.key) && !writer.as_ref().is_some_and(is_known) {
                verified.unreferenced_objects += 1;
                verified.unreferenced_bytes += entry.size;
            }
        }
    }
    Ok(())
}
