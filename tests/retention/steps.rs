//! One expiry: each call fails once, and once other work comes before each call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use pgcairn::model::deletion::{GRACE, LONGEST_SILENCE, MAX_CLOCK_SKEW};
use pgcairn::model::error::Code;
use pgcairn::model::key::{BackupId, PackId};
use pgcairn::model::plan::retention::Policy;
use pgcairn::operation::expire::Request;
use pgcairn::store::{Backend, Error, Result};

use crate::layers::{Counting, Faulty, Layer, On, When};
use crate::world::{AtWork, World};

pub const DAY: SignedDuration = SignedDuration::from_hours(24);
pub const ENOUGH: usize = 100_000;
pub const NONE: SignedDuration = SignedDuration::ZERO;

pub fn policy() -> Policy {
    Policy { recovery_window: Duration::from_secs(2 * 24 * 3600), minimum: 1, ..Policy::default() }
}

pub const GRACEFUL: Request = Request { dry_run: false, now: false, agreed: true };
pub const AT_ONCE: Request = Request { dry_run: false, now: true, agreed: true };

/// Ten days of backups, the older ones dropped eight days ago, newer ones to be dropped now; one at work.
fn eventful() -> (World, AtWork) {
    let mut world = World::new(policy());
    for _ in 0..5 {
        world.backup();
        world.push();
        world.pass(DAY);
    }
    let before = world.there();
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    world.note_trash(&before);
    assert_eq!(world.trash().len(), 3);
    for _ in 0..8 {
        world.pass(DAY);
        world.backup();
        world.push();
    }
    let at_work = world.begin();
    world.push();
    world.check("a beginning");
    (world, at_work)
}

#[test]
fn what_is_dropped_goes_into_the_trash_and_then_away() {
    let (world, _) = eventful();
    let before = world.there().len();
    let report = world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    assert!(report.freed_bytes > 0 && report.condemned_bytes > 0, "{report:?}");
    assert_eq!(report.dropped as usize, before - world.there().len());
    assert_eq!(report.backups.len(), before);
    let again = world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    assert_eq!((again.dropped, again.freed_bytes), (0, 0));
    assert_eq!(world.store.list(&world.keys.condemned()).unwrap().len(), 1, "it is condemned once");
    let dropped = world.trash();
    world.pass(GRACE);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    assert!(!dropped.is_empty() && world.trash().iter().all(|id| !dropped.contains(id)));
    assert!(world.store.list(&world.keys.runs()).unwrap().is_empty());
}

/// The last that can be restored stays for as long as there is no other.
#[test]
fn a_backup_that_lacks_objects_pushes_nothing_out() {
    for lost in ["pack", "digests", "manifest", "packs of two"] {
        let mut world = World::new(policy());
        for _ in 0..4 {
            world.backup();
            world.push();
            world.pass(DAY);
        }
        let (ids, keys) = (world.there(), &world.keys);
        let pack = |id: &BackupId| keys.pack(&PackId { backup: id.clone(), number: 1 });
        let (gone, good) = match lost {
            "pack" => (vec![pack(&ids[3])], &ids[2]),
            "digests" => (vec![keys.digests(&ids[3], 1)], &ids[2]),
            "manifest" => (vec![keys.manifest(&ids[3], 1)], &ids[2]),
            _ => (vec![pack(&ids[3]), pack(&ids[2])], &ids[1]),
        };
        gone.iter().for_each(|key| world.store.delete(key).unwrap());
        world.pass(DAY * 3);
        world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
        assert!(world.there().contains(good), "{lost}: {good} {:?}", world.there());
        assert!(!world.there().contains(&ids[0]), "{lost}: {:?}", world.there());
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let (world, _) = eventful();
    let counting = Counting::new(world.store.clone());
    let report = world.expire(counting.clone(), Request { dry_run: true, ..Request::default() }, NONE).unwrap();
    assert!(report.dropped > 0 && report.condemned_bytes > 0);
    let calls = counting.take();
    let changed = |call: &&String| ["create", "delete", "persist"].iter().any(|word| call.starts_with(word));
    assert_eq!(calls.iter().find(changed), None);
}

#[test]
fn clocks_that_differ_are_refused_and_the_earlier_one_counts() {
    for ahead in [MAX_CLOCK_SKEW * 2, -MAX_CLOCK_SKEW * 2] {
        let (world, _) = eventful();
        let few = Request { agreed: false, ..GRACEFUL };
        let error = world.expire(world.store.clone(), few, ahead).unwrap_err();
        assert_eq!(error.code, Code::Refused);
        assert!(error.message.contains("differ by more than 5 minutes") || error.message.contains("half"), "{error}");
        world.check("refused");
    }
    let (world, _) = eventful();
    let before = world.there();
    world.expire(world.store.clone(), GRACEFUL, DAY * 300).unwrap();
    world.check("a host of the future");
    assert!(world.there().len() < before.len());
}

#[test]
fn every_call_fails_once() {
    for request in [GRACEFUL, AT_ONCE] {
        let (world, _) = eventful();
        let count = Faulty::new(world.store.clone(), ENOUGH, When::Before);
        world.expire(count.clone(), request, NONE).unwrap();
        for (call, when) in (0..count.calls()).flat_map(|call| [(call, When::Before), (call, When::After)]) {
            let (mut world, at_work) = eventful();
            let before = world.there();
            let step = format!("{request:?}, call {call} fails ({when:?})");
            let faulty = Faulty::new(world.store.clone(), call, when);
            world.expire(faulty, request, NONE).expect_err(&step);
            note(&mut world, request, &before);
            world.check(&step);
            world.finish(at_work).expect("a backup at work is not hurt");
            world.expire(world.store.clone(), request, NONE).unwrap();
            note(&mut world, request, &before);
            world.check(&format!("after {step}"));
        }
    }
}

fn note(world: &mut World, request: Request, before: &[BackupId]) {
    match request.now {
        true => world.note_emptied_trash(),
        false => world.note_trash(before),
    }
}

/// Before its n-th call other work is done, all of it.
pub struct Interrupted {
    below: Arc<dyn Backend>,
    at: usize,
    calls: AtomicUsize,
    between: Box<dyn Fn() + Send + Sync>,
}

impl Interrupted {
    pub fn new(below: Arc<dyn Backend>, at: usize, between: impl Fn() + Send + Sync + 'static) -> Arc<On<Interrupted>> {
        Arc::new(On(Interrupted { below, at, calls: AtomicUsize::new(0), between: Box::new(between) }))
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted before call {}", self.at)
    }
}

impl Layer for Interrupted {
    fn below(&self) -> &dyn Backend {
        self.below.as_ref()
    }

    fn run<T>(&self, _: &'static str, _: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            (self.between)();
        }
        call(self.below())
    }
}

/// `work` between any two calls of an expiry; every promise must hold afterwards.
fn between(name: &str, work: impl Fn(&World) + Send + Sync + Clone + 'static) {
    for at in 0.. {
        let (world, at_work) = eventful();
        let before = world.there();
        let world = Arc::new(world);
        let (work, there) = (work.clone(), world.clone());
        let interrupted = Interrupted::new(world.store.clone(), at, move || work(&there));
        let outcome = world.expire(interrupted.clone(), GRACEFUL, NONE);
        let calls = interrupted.calls();
        drop(interrupted);
        let mut world = Arc::into_inner(world).unwrap();
        world.note_trash(&before);
        let step = format!("{name} before call {at}: {:?}", outcome.err());
        world.held = held(&world);
        world.check(&step);
        world.finish(at_work).expect(&step);
        world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
        world.check(&step);
        if at >= calls {
            break;
        }
    }
}

fn held(world: &World) -> std::collections::BTreeSet<BackupId> {
    let holds = world.store.list(&world.keys.holds()).unwrap();
    holds.iter().filter_map(|entry| world.keys.held_by(&entry.key)).collect()
}

#[test]
fn two_expiries_at_once() {
    between("another expiry", |world| drop(world.expire(world.store.clone(), GRACEFUL, NONE).unwrap()));
}

#[test]
fn a_hold_at_any_moment() {
    between("a hold", |world| {
        // Of one that is about to be dropped: whoever is told that it is held can rely on it.
        for id in world.committed.keys() {
            match world.hold(world.store.clone(), id) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.code, Code::NotFound, "{error}"),
            }
        }
    });
}

#[test]
fn undelete_at_any_moment() {
    between("undelete", |world| {
        for id in world.trash() {
            match world.undelete(world.store.clone(), &id) {
                Ok(stopped) => assert_eq!(stopped, world.committed[&id].stopped),
                Err(error) => assert!([Code::NotFound, Code::Damaged].contains(&error.code), "{error}"),
            }
        }
    });
}

#[test]
fn undelete_brings_back_what_was_dropped() {
    let (mut world, _) = eventful();
    let before = world.there();
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    world.note_trash(&before);
    world.pass(GRACE - SignedDuration::from_mins(1));
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    for id in before.iter().filter(|id| !world.there().contains(id)).cloned().collect::<Vec<_>>() {
        world.undelete(world.store.clone(), &id).unwrap();
        world.hold(world.store.clone(), &id).unwrap();
        assert_eq!(world.hold(world.store.clone(), &id).unwrap_err().code, Code::Conflict);
        world.held.insert(id);
    }
    world.note_trash(&[]);
    world.pass(DAY * 30);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    world.check("much later");
}

/// No object can be created.
#[derive(Debug)]
struct Full(Arc<dyn Backend>);

impl Layer for Full {
    fn below(&self) -> &dyn Backend {
        self.0.as_ref()
    }

    fn run<T>(&self, operation: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        if operation != "create" {
            return call(self.below());
        }
        let source = std::io::ErrorKind::StorageFull.into();
        Err(Error::NoSpace { action: "cannot create", place: name.to_owned(), source })
    }
}

#[test]
fn a_full_store_is_emptied_without_a_write() {
    let (mut world, at_work) = eventful();
    let full = Arc::new(On(Full(world.store.clone())));
    assert_eq!(world.expire(full.clone(), GRACEFUL, NONE).unwrap_err().code, Code::DiskSpace);
    world.check("too full to expire with grace");
    let report = world.expire(full, AT_ONCE, NONE).unwrap();
    assert!(report.freed_bytes > 0);
    world.note_emptied_trash();
    world.check("emptied");
    assert!(world.trash().is_empty() && world.store.list(&world.keys.condemned()).unwrap().is_empty());
    world.finish(at_work).unwrap();
    world.check("the backup at work");
}

#[test]
fn more_than_half_is_refused() {
    let mut world = World::new(policy());
    (0..3).for_each(|_| drop(world.backup()));
    world.pass(DAY * 30);
    let few = Request { agreed: false, ..GRACEFUL };
    let error = world.expire(world.store.clone(), few, NONE).unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::Refused, "2 of 3 backups would be dropped, more than half")
    );
    assert_eq!(world.there().len(), 3);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    assert_eq!(world.there().len(), 1);
}

#[test]
fn what_a_run_leaves_that_was_killed_on_a_full_store_goes_with_the_next() {
    let full = |world: &World| Arc::new(On(Full(world.store.clone())));
    let (world, _) = eventful();
    let count = Faulty::new(full(&world), ENOUGH, When::Before);
    world.expire(count.clone(), AT_ONCE, NONE).unwrap();
    for call in 0..count.calls() {
        let (mut world, at_work) = eventful();
        world.note_emptied_trash();
        world.expire(Faulty::new(full(&world), call, When::Before), AT_ONCE, NONE).unwrap_err();
        world.check(&format!("killed at call {call}"));
        world.expire(full(&world), AT_ONCE, NONE).unwrap();
        world.check_that_no_part_is_left_over(&[at_work.id()]);
        world.finish(at_work).unwrap();
        world.check(&format!("after it was killed at call {call}"));
    }
}

#[test]
fn holds_of_what_was_never_committed_go() {
    let (world, at_work) = eventful();
    let id = at_work.id();
    world.hold_unseen(&id);
    world.pass(GRACE - SignedDuration::from_mins(1));
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    assert!(world.is_there(&world.keys.hold(&id)), "its backup may be at work");
    world.pass(DAY);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    assert!(!world.is_there(&world.keys.hold(&id)));
    world.pass(GRACE);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    world.pass(GRACE);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    world.check_that_no_part_is_left_over(&[]);
    world.check("without the hold of a dead run");
}

#[test]
fn a_backup_that_stood_still_gives_up() {
    let (mut world, at_work) = eventful();
    world.pass(LONGEST_SILENCE);
    assert!(world.finish(at_work).is_none());
    let at_work = world.begin();
    world.pass(LONGEST_SILENCE - SignedDuration::from_mins(1));
    assert!(world.finish(at_work).is_some());
    world.check("a long backup");
}

#[test]
fn what_is_held_comes_back_although_the_run_that_dropped_it_died() {
    let (mut world, _) = eventful();
    let id = world.there()[0].clone();
    // Killed at the call after the one that deleted its commit marker.
    let at = (0..).find(|at| {
        let (copy, _) = eventful();
        let _ = copy.expire(Faulty::new(copy.store.clone(), *at, When::Before), GRACEFUL, NONE);
        !copy.there().contains(&id)
    });
    let _ = world.expire(Faulty::new(world.store.clone(), at.unwrap(), When::Before), GRACEFUL, NONE);
    assert!(!world.there().contains(&id));
    world.hold_unseen(&id);
    world.expire(world.store.clone(), GRACEFUL, NONE).unwrap();
    world.held.insert(id);
    world.check("held meanwhile");
}

#[test]
fn what_an_upgraded_cluster_left_behind_keeps_its_own_rules() {
    let mut old = World::new(Policy { daily: 2, ..policy() });
    (0..6).for_each(|_| {
        old.backup();
        old.pass(DAY);
    });
    let mut new = old.upgraded();
    for _ in 0..60 {
        new.backup();
        new.pass(DAY);
        new.expire(new.store.clone(), GRACEFUL, NONE).unwrap();
        new.check("the new one");
    }
    let left = old.there();
    assert_eq!(left, old.committed.keys().skip(4).cloned().collect::<Vec<_>>(), "its last two days, 60 days later");
    old.check("the old one");
    assert_eq!(new.there().len(), 2);
}
