//! Two hosts on one store, call by call: backups, expiry, holds and undelete stand still between any two calls for
//! days, lose answers, are killed, and go by clocks that jump. What is promised is there after every call.
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
use pgcairn::operation::expire::Request;
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
    Expire { request: Request, ahead: SignedDuration },
    Hold(BackupId),
    Undelete(BackupId),
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Task::Backup(maker) => write!(f, "backup {}", maker.id),
            Task::Expire { request, ahead } => write!(f, "expire (now: {}), {ahead} ahead", request.now),
            Task::Hold(id) => write!(f, "hold {id}"),
            Task::Undelete(id) => write!(f, "undelete {id}"),
        }
    }
}

/// What a task came to.
enum Outcome {
    Made(BackupId, Box<Summary>),
    Held(BackupId),
    Back(BackupId),
    Nothing,
}

struct AtWork {
    task: Task,
    gate: Arc<Gate>,
    began: Timestamp,
    thread: JoinHandle<Result<Outcome>>,
}

impl AtWork {
    fn empties_the_trash(&self) -> bool {
        matches!(self.task, Task::Expire { request: Request { now: true, .. }, .. })
    }

    /// How much longer it may stand still.
    fn patience(&self, now: Timestamp) -> SignedDuration {
        match &self.task {
            Task::Backup(maker) => match *maker.listed.lock().unwrap() {
                Some(listed) => LAST_CALLS - now.duration_since(listed),
                None => SignedDuration::MAX,
            },
            _ => LONGEST - now.duration_since(self.began),
        }
    }
}

struct Life {
    world: World,
    hosts: [Option<AtWork>; 2],
    random: StdRng,
    story: Vec<String>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut random = StdRng::seed_from_u64(seed);
        let recovery_window = Duration::from_secs(random.random_range(0..5) * 24 * 3600);
        let daily = random.random_range(0..2);
        let policy = Policy { recovery_window, daily, weekly: 0, minimum: 1, ..Policy::default() };
        let mut world = World::new(policy);
        for _ in 0..4 {
            world.backup();
            world.pass(DAY);
        }
        Life { world, hosts: [None, None], random, story: Vec::new() }
    }

    fn turn(&mut self) {
        let host = self.random.random_range(0..2);
        match self.random.random_range(0..10) {
            0 => self.pass(),
            1 => drop(self.world.push()),
            2 if self.hosts.iter().all(Option::is_none) => self.release(),
            _ if self.hosts[host].is_none() => self.begin(host),
            _ => self.go_on(host),
        }
    }

    fn pass(&mut self) {
        let now = self.world.now();
        let patience = self.hosts.iter().flatten().map(|at_work| at_work.patience(now)).min();
        let hours = if self.random.random_bool(0.2) { 24 * 9 } else { self.random.random_range(1..40) };
        let span = SignedDuration::from_hours(hours).min(patience.unwrap_or(SignedDuration::MAX));
        if span > SignedDuration::ZERO {
            self.story.push(format!("{} hours pass", span.as_hours()));
            self.world.pass(span);
        }
    }

    fn pick(&mut self, from: &[BackupId]) -> Option<BackupId> {
        (!from.is_empty()).then(|| from[self.random.random_range(0..from.len())].clone())
    }

    fn release(&mut self) {
        let held: Vec<BackupId> = self.world.held.iter().cloned().collect();
        if let Some(id) = self.pick(&held) {
            self.story.push(format!("release {id}"));
            let repository = self.world.repository(self.world.store.clone()).unwrap();
            repository.remover().remove(&self.world.keys.hold(&id)).unwrap();
            self.world.held.remove(&id);
        }
    }

    fn begin(&mut self, host: usize) {
        let gate = Gate::new(self.world.store.clone());
        let task = match self.random.random_range(0..10) {
            0..2 => Some(Task::Backup(self.world.maker(gate.clone()))),
            2 => Some(Task::Expire { request: AT_ONCE, ahead: self.ahead() }),
            3..6 => Some(Task::Expire { request: GRACEFUL, ahead: self.ahead() }),
            6..8 => {
                let there = self.world.there();
                self.pick(&there).map(Task::Hold)
            }
            _ => {
                let trash = self.world.trash();
                self.pick(&trash).map(Task::Undelete)
            }
        };
        let Some(task) = task else { return };
        self.story.push(format!("host {host} begins {task:?}"));
        let (hand, began) = (self.world.hand(gate.clone()), self.world.now());
        let (doing, end) = (task.clone(), gate.clone());
        let thread = std::thread::spawn(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| carry_out(&hand, doing)));
            end.end();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.hosts[host] = Some(AtWork { task, gate, began, thread });
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
            let fate = if call == calls { self.fate() } else { Fate::Done };
            if fate != Fate::Done {
                self.story.push(format!("host {host}: {fate:?}"));
            }
            let before = self.world.there();
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

    fn fate(&mut self) -> Fate {
        match self.random.random_range(0..30) {
            0 => Fate::Failed,
            1 => Fate::AnswerLost,
            2 => Fate::Killed { done: false },
            3 => Fate::Killed { done: true },
            _ => Fate::Done,
        }
    }

    /// A backup is committed by its marker, whatever its maker hears of it.
    fn note(&mut self, before: &[BackupId]) {
        self.world.adopt();
        if self.hosts.iter().flatten().any(AtWork::empties_the_trash) {
            self.world.note_emptied_trash();
        } else {
            self.world.note_trash(before);
        }
    }

    fn ended(&mut self, host: usize) {
        let AtWork { task, thread, .. } = self.hosts[host].take().unwrap();
        let outcome = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.story.push(format!("host {host} ended: {:?}", outcome.as_ref().err().map(|e| &e.message)));
        match outcome {
            Ok(Outcome::Made(id, summary)) => assert_eq!(self.world.committed.get(&id), Some(&*summary)),
            Ok(Outcome::Held(id)) => drop(self.world.held.insert(id)),
            Ok(Outcome::Back(id)) => drop(self.world.held.insert(id)),
            Ok(Outcome::Nothing) => {}
            Err(error) => {
                // Refused is who stood still while he asked for the time.
                let known = [
                    Code::NotFound,
                    Code::Unreachable,
                    Code::Conflict,
                    Code::Refused,
                    Code::BackupSession,
                    Code::ArchiveStalled,
                ];
                let may_be_gone = matches!(&task, Task::Undelete(id) if !self.world.can_be_brought_back(id));
                let is_known = known.contains(&error.code) || may_be_gone && error.code == Code::Damaged;
                assert!(is_known, "{task:?}: {error}");
            }
        }
    }

    /// What undelete holds it holds for a while.
    fn forget_what_is_held_no_more(&mut self) {
        let (now, world) = (self.world.now(), &self.world);
        let counts = |id: &BackupId| world.hold_of(&world.keys.hold(id), id).is_some_and(|hold| hold.counts_at(now));
        let held: BTreeSet<BackupId> = world.held.iter().filter(|id| counts(id)).cloned().collect();
        self.world.held = held;
    }

    /// What is held may be on its way back.
    fn check(&mut self) {
        self.forget_what_is_held_no_more();
        let held = self.world.held.clone();
        let there = self.world.there();
        let expiry_at_work = self.hosts.iter().flatten().any(|a| matches!(a.task, Task::Expire { .. }));
        let can_come_back = |id: &&BackupId| expiry_at_work || self.world.trash().contains(id);
        let away: Vec<BackupId> = held.iter().filter(|id| !there.contains(id)).filter(can_come_back).cloned().collect();
        for id in &away {
            self.world.check_restorable(id, "on its way back");
            self.world.held.remove(id);
        }
        self.world.check("");
        self.world.held = held;
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
            self.world.pass(span);
            self.forget_what_is_held_no_more();
            let before = self.world.there();
            self.world.expire(self.world.store.clone(), GRACEFUL, SignedDuration::ZERO).unwrap();
            self.world.note_trash(&before);
            self.world.check("in the end");
        }
        self.world.check_nothing_is_left_over();
    }
}

fn carry_out(hand: &Hand, task: Task) -> Result<Outcome> {
    match task {
        Task::Backup(maker) => {
            let objects = maker.parts()?;
            Ok(Outcome::Made(maker.id.clone(), Box::new(maker.commit(&objects)?)))
        }
        Task::Expire { request, ahead } => hand.expire(request, ahead).map(|_| Outcome::Nothing),
        Task::Hold(id) => hand.hold(&id).map(|()| Outcome::Held(id)),
        Task::Undelete(id) => hand.undelete(&id).map(|_| Outcome::Back(id)),
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
