//! `verify`: reads what lies in the repositories and compares it with what their backups say of it. Needs no key: commit
//! markers vouch for lists of objects, lists for every object, and envelopes for the WAL.
//!
//! What is damaged is told with the backups that it hurts; the rest is read all the same.

mod object;
mod tally;
mod wal;

use crate::config;
use crate::flow::workers;
use crate::model::catalog::{ObjectLine, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::model::selector::Selector;
use crate::model::signature::Standing;
use crate::report::Listener;
use crate::report::verify::{Damage, Repository, Unvouched, Verify};

use super::catalog::{Catalog, clusters};
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
    let mut found = false;
    let mut repositories = Vec::new();
    for named in &open_each(&context.config, listener)? {
        let mut verified = Repository::new(&named.0.name, named.1.url());
        for cluster in clusters(&named.1.reader())? {
            if context.config.name.as_ref().is_none_or(|name| *name == cluster.name) {
                let opened = Opened::new(named.1.clone(), cluster.name, cluster.system_identifier);
                found |= generation(context, named.0, &opened, request, &mut verified, listener)?;
            }
        }
        repositories.push(verified);
    }
    if let Some(selector) = request.backup.as_ref().filter(|_| !found) {
        let message = format!("no repository has a backup {selector}");
        return Err(Error::new(Code::NotFound, message).hint("what there is: pgcairn list"));
    }
    let is_sound = repositories.iter().all(|repository| repository.damaged.is_empty());
    let next = context.command(if is_sound { "list" } else { "backup" });
    Ok(Verify { repositories, next })
}

/// One system identifier's backups; whether what was asked for is among them.
fn generation(
    context: &Context,
    wanted: &config::Repository,
    opened: &Opened,
    request: &Request,
    verified: &mut Repository,
    listener: &dyn Listener,
) -> Result<bool> {
    let catalog = Catalog::read(&opened.repository.reader(), &opened.keys)?;
    let chosen = match &request.backup {
        None => None,
        Some(selector) => match catalog.select(selector) {
            Ok(marker) => Some(marker.summary.id.clone()),
            Err(error) if error.code == Code::NotFound => return Ok(false),
            Err(error) => return Err(error),
        },
    };
    for unreadable in catalog.unreadable.iter().filter(|_| chosen.is_none()) {
        verified.damaged.push(Damage {
            object: unreadable.key.to_string(),
            reason: unreadable.error.to_string(),
            hurts: vec![unreadable.id.clone()],
        });
    }
    let tally = Tally::default();
    let mut summaries: Vec<&Summary> = Vec::new();
    for marker in catalog.backups.iter().filter(|marker| chosen.as_ref().is_none_or(|id| *id == marker.summary.id)) {
        let summary = &marker.summary;
        listener.notice(format!("reading backup {} in {}", summary.id, verified.name));
        match marker.signed.standing(&context.trusted) {
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
        objects(context, opened, summary, &tally)?;
        summaries.push(summary);
    }
    match (&chosen, summaries.first()) {
        (Some(_), Some(backup)) => wal::of_backup(opened, backup, &tally, verified)?,
        (Some(_), None) => {}
        (None, _) => {
            wal::whole(context, wanted, opened, &summaries, &tally, verified)?;
            unreferenced(opened, &catalog, verified)?;
        }
    }
    verified.backups += summaries.len() as u64;
    tally.into(verified);
    Ok(chosen.is_some())
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
