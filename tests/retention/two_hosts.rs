//! Two hosts on two stores, call by call: backups, copies from one store to the other, expiry, holds and undelete stand
//! still between any two calls for days, lose answers, are killed, and go by clocks that jump. What either store
//! promises is there after every call, from that store alone.
//!
//! Not tried, as no order of calls can help: a process that stands still for longer than the grace time within the
//! few calls in which it relies on what it has just seen, and a hold that is released beside others at work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pgcairn::model::catalog::Summary;
use pgcairn::model::deletion::GRACE;
use pgcairn::model::error::{Code, Result};
use pgcairn::model::key::BackupId;
use pgcairn::model::plan::retention::Policy;
use pgcairn::operation::copy::What;
use pgcairn::operation::expire::Request;
use pgcairn::report::copy::Brought;
use pgcairn::store::Backend;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::gate::{Fate, Gate};
use crate::maker::Maker;
use crate::steps::{AT_ONCE, DAY, GRACEFUL};
use crate::world::{Hand, World};

/// What a host does may take as long, backups aside.
const LONGEST: SignedDuration = SignedDuration::from_hours(6 * 24);

/// Between list and commit marker of a backup.
const LAST_CALLS: SignedDuration = SignedDuration::from_mins(20);

const TURNS: usize = 120;

#[derive(Clone)]
enum Task {
    Backup(Maker),
    Expire { at: Place, request: Request, ahead: SignedDuration },
    Hold { at: Place, id: BackupId },
    Undelete { at: Place, id: BackupId },
    Copy { to: Place, what: What, ahead: SignedDuration },
}

/// Which of the two stores: backups are made into the first.
type Place = usize;
const PLACES: [Place; 2] = [0, 1];

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Task::Backup(maker) => write!(f, "backup {}", maker.id),
            Task::Expire { at, request, ahead } => write!(f, "expire {at} (now: {}), {ahead} ahead", request.now),
            Task::Hold { at, id } => write!(f, "hold {id} in {at}"),
            Task::Undelete { at, id } => write!(f, "undelete {id} in {at}"),
            Task::Copy { to, what, ahead } => write!(f, "copy {what:?} to {to}, {ahead} ahead"),
        }
    }
}

/// What a task came to.
enum Outcome {
    Made(BackupId, Box<Summary>),
    Held(Place, BackupId),
    Copied(Brought),
    Nothing,
}

struct AtWork {
    task: Task,
    gate: Arc<Gate>,
    began: Timestamp,
    /// What there was of WAL.
    wal: u64,
    /// Held, where a copy comes from.
    held: BTreeSet<BackupId>,
    thread: JoinHandle<Result<Outcome>>,
}

impl AtWork {
    fn expires(&self, place: Place) -> bool {
        matches!(self.task, Task::Expire { at, .. } if at == place)
    }

    fn empties_the_trash(&self, place: Place) -> bool {
        matches!(self.task, Task::Expire { at, request: Request { now: true, .. }, .. } if at == place)
    }

    /// How much longer it may stand still.
    fn patience(&self, worlds: &[World; 2], now: Timestamp) -> SignedDuration {
        let listed = match &self.task {
            Task::Backup(maker) => *maker.listed.lock().unwrap(),
            Task::Copy { to, .. } => worlds[*to].last_listed().filter(|listed| *listed >= self.began),
            _ => None,
        };
        match (listed, &self.task) {
            (Some(listed), _) => LAST_CALLS - now.duration_since(listed),
            (None, Task::Backup(_)) => SignedDuration::MAX,
            (None, _) => LONGEST - now.duration_since(self.began),
        }
    }
}

struct Life {
    worlds: [World; 2],
    hosts: [Option<AtWork>; 2],
    /// Whether expiry was at work there since the last copy to it began.
    expired: [bool; 2],
    random: StdRng,
    story: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = World::new(policy(&mut random));
        let mut other = world.beside(policy(&mut random), random.random_bool(0.5));
        for _ in 0..4 {
            world.backup();
            [&world, &other].into_iter().for_each(|world| world.pass(DAY));
        }
        if random.random_bool(0.5) {
            other.hand(other.store.clone()).copy(world.store.clone(), &What::All, SignedDuration::ZERO).unwrap();
            other.adopt();
            other.note_copied(world.next_segment());
        }
        Life { worlds: [world, other], hosts: [None, None], expired: [false, false], random, story: Vec::new() }
    }

    fn turn(&mut self) {
        let host = self.random.random_range(0..2);
        match self.random.random_range(0..10) {
            0 => self.pass(),
            1 => drop(self.worlds[0].push()),
            2 if self.hosts.iter().all(Option::is_none) => self.release(),
            _ if self.hosts[host].is_none() => self.begin(host),
            _ => self.go_on(host),
        }
    }

    fn now(&self) -> Timestamp {
        self.worlds[0].now()
    }

    fn pass(&mut self) {
        let now = self.now();
        let patience = self.hosts.iter().flatten().map(|at_work| at_work.patience(&self.worlds, now)).min();
        let hours = if self.random.random_bool(0.2) { 24 * 9 } else { self.random.random_range(1..40) };
        let span = SignedDuration::from_hours(hours).min(patience.unwrap_or(SignedDuration::MAX));
        if span > SignedDuration::ZERO {
            self.story.push(format!("{} hours pass", span.as_hours()));
            self.worlds.iter().for_each(|world| world.pass(span));
        }
    }

    fn pick(&mut self, from: &[BackupId]) -> Option<BackupId> {
        (!from.is_empty()).then(|| from[self.random.random_range(0..from.len())].clone())
    }

    fn release(&mut self) {
        let at = self.random.random_range(0..2);
        let held: Vec<BackupId> = self.worlds[at].held.iter().cloned().collect();
        if let Some(id) = self.pick(&held) {
            self.story.push(format!("release {id} in {at}"));
            let world = &mut self.worlds[at];
            let repository = world.repository(world.store.clone()).unwrap();
            repository.remover().remove(&world.keys.hold(&id)).unwrap();
            world.held.remove(&id);
        }
    }

    fn task(&mut self, gate: &Arc<Gate>) -> Option<Task> {
        let at = if self.random.random_bool(0.6) { 1 } else { 0 };
        match self.random.random_range(0..14) {
            0..2 => {
                let over = gate.over(self.worlds[0].store.clone());
                Some(Task::Backup(self.worlds[0].maker(over)))
            }
            2 => Some(Task::Expire { at, request: AT_ONCE, ahead: self.ahead() }),
            3..6 => Some(Task::Expire { at, request: GRACEFUL, ahead: self.ahead() }),
            6..8 => {
                let there = self.worlds[at].there();
                self.pick(&there).map(|id| Task::Hold { at, id })
            }
            8..10 => {
                let trash = self.worlds[at].trash();
                self.pick(&trash).map(|id| Task::Undelete { at, id })
            }
            _ => Some(Task::Copy {
                to: if self.random.random_bool(0.8) { 1 } else { 0 },
                what: if self.random.random_bool(0.6) { What::All } else { What::New },
                ahead: self.ahead(),
            }),
        }
    }

    fn begin(&mut self, host: usize) {
        let gate = Gate::new();
        let Some(task) = self.task(&gate) else { return };
        self.story.push(format!("host {host} begins {task:?}"));
        let stores = PLACES.map(|place| gate.over(self.worlds[place].store.clone()));
        let hands = PLACES.map(|place| self.worlds[place].hand(stores[place].clone()));
        let held = match task {
            Task::Copy { to, .. } => self.worlds[1 - to].held.clone(),
            _ => BTreeSet::new(),
        };
        match task {
            Task::Copy { to, .. } if self.hosts.iter().all(Option::is_none) => self.expired[to] = false,
            Task::Copy { to, .. } => self.expired[to] |= self.hosts.iter().flatten().any(|other| other.expires(to)),
            Task::Expire { at, .. } => self.expired[at] = true,
            _ => {}
        }
        let (began, wal) = (self.now(), self.worlds[0].next_segment());
        let (doing, end) = (task.clone(), gate.clone());
        let thread = std::thread::spawn(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| carry_out(&hands, stores, doing)));
            end.end();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.hosts[host] = Some(AtWork { task, gate, began, wal, held, thread });
    }

    /// How far this host's clock is ahead.
    fn ahead(&mut self) -> SignedDuration {
        match self.random.random_range(0..4) {
            0 => SignedDuration::from_hours(self.random.random_range(-9000..9000)),
            _ => SignedDuration::ZERO,
        }
    }

    /// Some calls, the last of which may have a fate of its own.
    fn go_on(&mut self, host: usize) {
        let calls = [1, 1, 2, 5, 20, 200][self.random.random_range(0..6)];
        for call in 1..=calls {
            let fate = if call == calls { self.fate(host) } else { Fate::Done };
            if fate != Fate::Done {
                self.story.push(format!("host {host}: {fate:?}"));
            }
            let before = self.worlds.each_ref().map(World::there);
            let goes_on = self.hosts[host].as_ref().unwrap().gate.step(fate);
            self.note(&before);
            if !goes_on {
                self.ended(host);
            }
            self.check();
            if !goes_on {
                return;
            }
        }
        self.story.push(format!("host {host} made {calls} calls"));
    }

    /// What a killed copy leaves is of interest to the next, so more of them are.
    fn fate(&mut self, host: usize) -> Fate {
        let is_copy = matches!(&self.hosts[host], Some(AtWork { task: Task::Copy { .. }, .. }));
        match self.random.random_range(0..if is_copy { 12 } else { 30 }) {
            0 => Fate::Failed,
            1 => Fate::AnswerLost,
            2 => Fate::Killed { done: false },
            3 => Fate::Killed { done: true },
            _ => Fate::Done,
        }
    }

    /// A backup is committed by its marker, whatever its maker hears of it.
    fn note(&mut self, before: &[Vec<BackupId>; 2]) {
        for (place, world) in self.worlds.iter_mut().enumerate() {
            world.adopt();
            match self.hosts.iter().flatten().any(|at_work| at_work.empties_the_trash(place)) {
                true => world.note_emptied_trash(),
                false => world.note_trash(&before[place]),
            }
        }
    }

    fn ended(&mut self, host: usize) {
        let AtWork { task, thread, wal, held, .. } = self.hosts[host].take().unwrap();
        let outcome = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.story.push(format!("host {host} ended: {:?}", outcome.as_ref().err().map(|e| &e.message)));
        match (outcome, &task) {
            (Ok(Outcome::Made(id, summary)), _) => assert_eq!(self.worlds[0].committed.get(&id), Some(&*summary)),
            (Ok(Outcome::Held(at, id)), _) => drop(self.worlds[at].held.insert(id)),
            (Ok(Outcome::Copied(brought)), Task::Copy { to, .. }) => self.copied(*to, &brought, wal, &held),
            (Ok(_), _) => {}
            (Err(error), _) => {
                // Refused is who stood still while he asked for the time.
                let known = [
                    Code::NotFound,
                    Code::Unreachable,
                    Code::Conflict,
                    Code::Refused,
                    Code::BackupSession,
                    Code::ArchiveStalled,
                ];
                let gone = |at: Place, id| !self.worlds[at].can_be_brought_back(id);
                let may_be_gone = matches!(&task, Task::Undelete { at, id } if gone(*at, id));
                let is_known = known.contains(&error.code) || may_be_gone && error.code == Code::Damaged;
                assert!(is_known, "{task:?}: {error}");
            }
        }
    }

    /// What a copy says is so, unless expiry was at work there meanwhile.
    fn copied(&mut self, to: Place, brought: &Brought, wal: u64, held: &BTreeSet<BackupId>) {
        self.story.push(format!("{brought:?}"));
        let from_held = &self.worlds[1 - to].held & held;
        for id in &brought.backups {
            assert!(self.worlds[to].committed.contains_key(id), "{id} was not copied");
        }
        if self.expired[to] {
            return;
        }
        let world = &mut self.worlds[to];
        let there = world.there();
        for id in &brought.backups {
            assert!(there.contains(id), "{id} is not there after it was copied");
            if from_held.contains(id) {
                world.held.insert(id.clone());
            }
        }
        if brought.failed.is_empty() {
            world.note_copied(wal);
        }
    }

    /// What undelete holds it holds for a while.
    fn forget_what_is_held_no_more(&mut self) {
        let now = self.now();
        for world in &mut self.worlds {
            let mut held = std::mem::take(&mut world.held);
            held.retain(|id| world.hold_of(&world.keys.hold(id), id).is_some_and(|hold| hold.counts_at(now)));
            world.held = held;
        }
    }

    /// What is held may be on its way back.
    fn check(&mut self) {
        self.forget_what_is_held_no_more();
        for place in PLACES {
            let expiry_at_work = self.hosts.iter().flatten().any(|at_work| at_work.expires(place));
            let world = &mut self.worlds[place];
            let (held, there, trash) = (world.held.clone(), world.there(), world.trash());
            let can_come_back = |id: &&BackupId| expiry_at_work || trash.contains(id);
            for id in held.iter().filter(|id| !there.contains(id)).filter(can_come_back) {
                world.check_restorable(id, "on its way back");
                world.held.remove(id);
            }
            world.check(&format!("repository {place}"));
            world.held = held;
        }
    }

    /// All are killed, and what comes then does what they left.
    fn end(&mut self) {
        for host in 0..2 {
            if let Some(at_work) = &self.hosts[host] {
                at_work.gate.step(Fate::Killed { done: false });
                while at_work.gate.step(Fate::Failed) {}
                self.ended(host);
            }
        }
        for span in [SignedDuration::ZERO, GRACE, GRACE, DAY * 40] {
            self.worlds.iter().for_each(|world| world.pass(span));
            self.forget_what_is_held_no_more();
            for world in &mut self.worlds {
                let before = world.there();
                world.expire(world.store.clone(), GRACEFUL, SignedDuration::ZERO).unwrap();
                world.note_trash(&before);
                world.check("in the end");
            }
        }
        self.worlds.iter().for_each(World::check_nothing_is_left_over);
    }
}

fn policy(random: &mut StdRng) -> Policy {
    let recovery_window = Duration::from_secs(random.random_range(0..5) * 24 * 3600);
    let daily = random.random_range(0..2);
    Policy { recovery_window, daily, weekly: 0, minimum: 1, ..Policy::default() }
}

fn carry_out(hands: &[Hand; 2], stores: [Arc<dyn Backend>; 2], task: Task) -> Result<Outcome> {
    match task {
        Task::Backup(maker) => {
            let objects = maker.parts()?;
            Ok(Outcome::Made(maker.id.clone(), Box::new(maker.commit(&objects)?)))
        }
        Task::Expire { at, request, ahead } => hands[at].expire(request, ahead).map(|_| Outcome::Nothing),
        Task::Hold { at, id } => hands[at].hold(&id).map(|()| Outcome::Held(at, id)),
        Task::Undelete { at, id } => hands[at].undelete(&id).map(|_| Outcome::Held(at, id)),
        Task::Copy { to, what, ahead } => hands[to].copy(stores[1 - to].clone(), &what, ahead).map(Outcome::Copied),
    }
}

fn live(seed: u64) {
    let mut life = Life::new(seed);
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        (0..TURNS).for_each(|_| life.turn());
        life.end();
    }));
    if let Err(panic) = lived {
        println!("seed {seed}:\n{}", life.story.join("\n"));
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn what_is_promised_is_there_after_every_call() {
    let full = std::env::var("PGCAIRN_TEST_LENGTH").is_ok_and(|length| length == "full");
    let seeds = std::env::var("PGCAIRN_TEST_SEEDS").ok().and_then(|count| count.parse().ok());
    for seed in 0..seeds.unwrap_or(if full { 3000 } else { 150 }) {
        live(seed);
    }
}
