//! `copy`: brings backups, WAL and dumps that other repositories have into one. Needs no key: objects go as they are.
//!
//! There is no lock; the order of the steps keeps every promise whatever else runs and wherever this is killed:
//!
//! 0. Where the repositories hold two histories nothing is brought: no restore could tell them apart afterwards.
//! 1. A hold that a backup has goes first, then what it needs. Expiry spares what was written lately.
//! 2. What is found there of it, as an earlier copy was killed, may be garbage to an expiry at work. So it is held, and
//!    then looked whether any is at work. If not, whoever begins later sees the hold, and all is looked for once more.
//! 3. The list of its objects and the commit marker go last, at once one after the other: expiry takes a backup that has
//!    the one for long and not the other for dropped, unless it is held.
//! 4. WAL beyond that follows, oldest first, so that what is there has no holes.

mod choose;
mod dumps;
mod expiry;
mod marker;
mod one;
mod one_history;
mod parts;
mod transfer;
mod wal;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::config;
use crate::model::dump::Marker;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::key::{BackupId, ClusterKeys, ClusterName};
use crate::model::plan::dump_retention::DumpPolicy;
use crate::model::plan::retention::{Period, Policy};
use crate::model::selector::Selector;
use crate::report::copy::{Brought, Copy};
use crate::report::{Listener, Quiet};

use super::catalog::generations;
use super::healed;
use super::repository::{Named, Opened, alike, distinct, open_each};
use super::{Context, chosen, drills, repository};
use crate::store::Repository;
use choose::Choice;
use dumps::DumpChoice;
use transfer::Transfer;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub what: What,
    /// By name; without it every repository but the first.
    pub to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Backups that are not there, and what those that are there have lost.
    All,
    /// Backups that are not there.
    New,
    One(Selector),
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Copy> {
    let config = &context.config;
    if config.others.is_empty() {
        let message = format!("{} has one repository, and copying takes two", config.origin());
        return Err(Error::new(Code::Config, message).hint("add another [[repository]], then pgcairn init"));
    }
    let destinations: Vec<&config::Repository> = match &request.to {
        Some(name) => vec![config.named(name)?],
        None => config.others.iter().collect(),
    };
    let mut repositories = Vec::new();
    for wanted in &destinations {
        repositories.push(match bring_up(context, wanted, &request.what, listener) {
            // One that is away keeps nothing from the others.
            Err(error) if destinations.len() > 1 && is_of_this_repository(&error) => {
                Brought::failed(&wanted.name, wanted.url.as_str(), context.addressed_error(error))
            }
            brought => brought?,
        });
    }
    Ok(Copy { repositories, next: context.command("list") })
}

fn is_of_this_repository(error: &Error) -> bool {
    !matches!(error.code, Code::Interrupted | Code::NotFound)
}

/// One destination, out of all the others. What fails of one backup does not keep the others from it.
pub fn bring_up(
    context: &Context,
    wanted: &config::Repository,
    what: &What,
    listener: &dyn Listener,
) -> Result<Brought> {
    let route = open(context, wanted, listener)?;
    let brought = route.bring(what, listener);
    healed::say(&route.from.reader(), listener);
    let mut brought = brought?;
    for failed in &mut brought.failed {
        failed.hint = failed.hint.take().map(|hint| context.config.command_line().spell_out(&hint));
    }
    Ok(brought)
}

/// What a destination has not got yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Behind {
    /// And dumps.
    pub backups: u64,
    pub wal_files: u64,
    /// When the oldest of it came to be elsewhere.
    pub since: Option<Timestamp>,
}

/// What [`What::New`] would bring.
pub fn behind(context: &Context, wanted: &config::Repository) -> Result<Behind> {
    let mut behind = Behind::default();
    each_generation(context, wanted, |route, keys, choice, dumps| {
        let wal = if wanted.keep.is_none() { wal::missing(route, keys, choice)? } else { Vec::new() };
        behind.backups += (choice.wanted.len() + choice.obscured.len() + dumps.len()) as u64;
        behind.wal_files += wal.len() as u64;
        let missing = choice.wanted.iter().chain(&choice.obscured).map(|backup| backup.stopped);
        let missing = missing.chain(dumps.iter().map(|dump| dump.summary.finished));
        let times = missing.chain(wal.iter().map(|object| object.modified));
        behind.since = times.chain(behind.since).min();
        Ok(())
    })?;
    Ok(behind)
}

/// Backups and dumps among it.
pub fn wanted(context: &Context, to: &config::Repository) -> Result<BTreeSet<BackupId>> {
    let mut wanted = BTreeSet::new();
    each_generation(context, to, |_, _, choice, dumps| {
        wanted.extend(choice.wanted.iter().map(|backup| backup.id.clone()));
        wanted.extend(dumps.iter().map(|dump| dump.summary.id.clone()));
        Ok(())
    })?;
    Ok(wanted)
}

/// With what `to` has not got of it, dumps included.
fn each_generation(
    context: &Context,
    to: &config::Repository,
    mut look: impl FnMut(&Route, &ClusterKeys, &Choice, &[Marker]) -> Result<()>,
) -> Result<()> {
    let route = open(context, to, &Quiet)?;
    for Opened { keys, .. } in generations(&route.from, context.config.name.as_ref())? {
        let choice = Choice::new(&route, keys.clone(), &What::New, &BTreeSet::new())?;
        let dumps = if to.keep.is_none() { DumpChoice::new(&route, &keys, &What::New)?.wanted } else { Vec::new() };
        look(&route, &keys, &choice, &dumps)?;
    }
    Ok(())
}

fn open(context: &Context, wanted: &config::Repository, listener: &dyn Listener) -> Result<Route> {
    let to = repository::open_one(&context.config, wanted)?;
    let mut sources = open_each(&context.config, listener)?;
    sources.retain(|(named, _)| named.name != wanted.name);
    let destination = (wanted, to.clone());
    sources.iter().try_for_each(|source| distinct(source, &destination).and_then(|()| alike(source, &destination)))?;
    let names: Vec<&str> = sources.iter().map(|(named, _)| named.name.as_str()).collect();
    let names = names.join(" and ");
    let from = united(sources).ok_or_else(|| {
        let message = format!("no other repository than {} can be read", wanted.name);
        Error::new(Code::Unreachable, message).hint("pgcairn check")
    })?;
    let config = &context.config;
    Ok(Route {
        from,
        to,
        sources: names,
        name: wanted.name.clone(),
        cluster: config.name.clone(),
        keep: wanted.keep,
        retention: config.retention_of(wanted).cloned(),
        dump_retention: config.dump_retention().cloned(),
        jobs: config.backup.jobs(),
        now: context.now,
        interrupt: context.interrupt.clone(),
    })
}

fn united(sources: Vec<Named<'_>>) -> Option<Repository> {
    let mut repositories = sources.into_iter().map(|(_, repository)| repository);
    Some(repositories.next()?.besides(repositories))
}

/// From where to where, and what belongs there.
pub struct Route {
    /// All others, read as one.
    pub from: Repository,
    pub to: Repository,
    /// What the configuration calls all others.
    pub sources: String,
    /// What the configuration calls the destination.
    pub name: String,
    pub cluster: Option<ClusterName>,
    /// Only one backup of each such period belongs there.
    pub keep: Option<Period>,
    /// What expiry goes by there; without it everything is kept.
    pub retention: Option<Policy>,
    /// The same of dumps.
    pub dump_retention: Option<DumpPolicy>,
    /// How many objects are on their way at once.
    pub jobs: usize,
    /// By this host's clock.
    pub now: Timestamp,
    pub interrupt: Interrupt,
}

impl Route {
    pub fn bring(&self, what: &What, listener: &dyn Listener) -> Result<Brought> {
        let mut brought = Brought::new(&self.name, self.to.url());
        let what = &self.meant(what)?;
        one_history::check(self)?;
        for from in generations(&self.from, self.cluster.as_ref())? {
            let keys = from.keys.clone();
            let transfer = Transfer::new(self, &keys);
            let choice = self.bring_backups(&transfer, what, listener, &mut brought)?;
            if *what == What::All {
                self.complete(&transfer, &choice)?;
            }
            choice.unreadable.iter().for_each(|(id, error)| transfer.fail(format_args!("backup {id}"), error.clone()));
            if !matches!(what, What::One(_)) && self.keep.is_none() {
                wal::follow(&transfer, &choice)?;
            }
            brought.dumps.extend(dumps::bring(&transfer, what, listener)?);
            brought.add(&transfer);
            drills::welcome_readers(&Opened { repository: self.to.clone(), ..from }, listener);
        }
        Ok(brought)
    }

    /// What a person calls `latest`, by its id.
    fn meant(&self, what: &What) -> Result<What> {
        let What::One(selector) = what else { return Ok(what.clone()) };
        let found = chosen::backup_or_dump((&self.from, self.cluster.as_ref()), selector);
        let found = found.map_err(|error| match error.code {
            Code::NotFound => Error::new(Code::NotFound, format!("no repository has a backup {selector}"))
                .hint("what there is: pgcairn list"),
            _ => error,
        })?;
        Ok(What::One(Selector::Prefix(found.id.to_string())))
    }

    /// What cannot be brought stands in no other's way: without it is chosen once more.
    fn bring_backups(
        &self,
        transfer: &Transfer<'_>,
        what: &What,
        listener: &dyn Listener,
        brought: &mut Brought,
    ) -> Result<Choice> {
        let mut failed = BTreeSet::new();
        loop {
            let choice = Choice::new(self, transfer.keys.clone(), what, &failed)?;
            let before = failed.len();
            for backup in &choice.wanted {
                self.interrupt.check()?;
                listener.notice(format!("copying backup {} to {}", backup.id, self.name));
                match one::copy(transfer, backup, &choice) {
                    Ok(()) => brought.backups.push(backup.id.clone()),
                    Err(error) if is_of_this_backup(&error) => {
                        transfer.fail(format_args!("backup {}", backup.id), error);
                        failed.insert(backup.id.clone());
                    }
                    Err(error) => return Err(error),
                }
            }
            if failed.len() == before {
                return Ok(choice);
            }
        }
    }

    fn complete(&self, transfer: &Transfer<'_>, choice: &Choice) -> Result<()> {
        for backup in &choice.in_both {
            self.interrupt.check()?;
            match one::complete(transfer, backup, choice) {
                Err(error) if is_of_this_backup(&error) => transfer.fail(format_args!("backup {}", backup.id), error),
                ended => ended?,
            }
        }
        Ok(())
    }
}

fn is_of_this_backup(error: &Error) -> bool {
    matches!(error.code, Code::Damaged | Code::WalGap | Code::Conflict | Code::NotFound)
}

impl Brought {
    fn add(&mut self, transfer: &Transfer<'_>) {
        self.objects += transfer.objects();
        self.bytes += transfer.bytes();
        self.wal_files += transfer.wal_files();
        self.failed.extend(transfer.failed());
    }
}
