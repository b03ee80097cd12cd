//! Copies to another repository: each call fails once in every way, on either side; expiry comes between any two
//! calls of a copy and a copy between any two of an expiry. What has a commit marker there can be restored from there.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::SignedDuration;
use pgcairn::model::deletion::GRACE;
use pgcairn::model::error::Code;
use pgcairn::model::key::{BackupId, Key};
use pgcairn::model::plan::retention::Policy;
use pgcairn::operation::copy::What;
use pgcairn::operation::expire::Request;
use pgcairn::store::{Backend, Entry, Error, Result};

use crate::layers::{Counting, Faulty, Layer, On, When};
use crate::maker::{archived, archived_as};
use crate::memory::Memory;
use crate::steps::{AT_ONCE, DAY, ENOUGH, GRACEFUL, Interrupted, NONE, policy};
use crate::world::World;

fn pass(worlds: [&World; 2], span: SignedDuration) {
    worlds.iter().for_each(|world| world.pass(span));
}

/// Keeps what was copied.
fn all_days() -> Policy {
    Policy { daily: 100, ..policy() }
}

/// So many days of a backup and WAL each, and a repository that has none of it.
fn two(days: usize) -> (World, World) {
    let mut source = World::new(policy());
    let destination = source.beside(all_days(), false);
    for _ in 0..days {
        source.backup();
        source.push();
        pass([&source, &destination], DAY / 2);
    }
    (source, destination)
}

fn copy(from: Arc<dyn Backend>, destination: &World, to: Arc<dyn Backend>) -> Outcome {
    Outcome(destination.hand(to).copy(from, &What::All, NONE))
}

#[derive(Debug)]
struct Outcome(pgcairn::model::error::Result<pgcairn::report::copy::Brought>);

impl Outcome {
    fn is_whole(&self) -> bool {
        self.0.as_ref().is_ok_and(|brought| brought.failed.is_empty())
    }
}

/// What neither is changed by a copy nor by whatever befalls it.
fn content(store: &Memory) -> Vec<(Key, Vec<u8>)> {
    let read = |key: Key| {
        let mut body = Vec::new();
        store.get(&key).unwrap().read_to_end(&mut body).unwrap();
        (key, body)
    };
    store.list("").unwrap().into_iter().map(|entry| read(entry.key)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Fails,
    TimesOut,
    /// What is left of a store that asks to slow down for longer than one is patient.
    Busy,
    NotAllowed,
    /// Of what is written.
    NoSpace,
    /// It was done.
    AnswerLost,
    /// Of what is read comes a beginning, and then an error.
    Cut,
    /// The same without the error.
    Short,
}

const FAULTS: [Fault; 8] = [
    Fault::Fails,
    Fault::TimesOut,
    Fault::Busy,
    Fault::NotAllowed,
    Fault::NoSpace,
    Fault::AnswerLost,
    Fault::Cut,
    Fault::Short,
];

impl Fault {
    fn error(self, place: &str) -> Error {
        let (action, place) = ("cannot reach", place.to_owned());
        match self {
            Fault::Fails => Error::Io { action, place, source: io::Error::other("injected") },
            Fault::TimesOut => Error::Unreachable { action, place, source: io::ErrorKind::TimedOut.into() },
            Fault::NotAllowed => Error::Permission { action, place, source: io::ErrorKind::PermissionDenied.into() },
            Fault::NoSpace => Error::NoSpace { action, place, source: io::ErrorKind::StorageFull.into() },
            _ => Error::Unreachable { action, place, source: io::Error::other("503 Slow Down") },
        }
    }

    fn befalls(self, operation: &str) -> bool {
        match self {
            Fault::NoSpace => operation == "create",
            Fault::Cut | Fault::Short => ["get", "get_range"].contains(&operation),
            _ => true,
        }
    }
}

/// The n-th call meets it, and no other.
#[derive(Debug)]
struct Once {
    below: Arc<Memory>,
    fault: Fault,
    at: usize,
    calls: AtomicUsize,
    /// What was just read is cut.
    cuts: AtomicBool,
}

impl Once {
    fn new(below: Arc<Memory>, fault: Fault, at: usize) -> Arc<On<Once>> {
        Arc::new(On(Once { below, fault, at, calls: AtomicUsize::new(0), cuts: AtomicBool::new(false) }))
    }
}

impl Layer for Once {
    fn below(&self) -> &dyn Backend {
        self.below.as_ref()
    }

    fn run<T>(&self, operation: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        let is_it = self.calls.fetch_add(1, Ordering::SeqCst) == self.at && self.fault.befalls(operation);
        match self.fault {
            _ if !is_it => call(self.below()),
            Fault::Cut | Fault::Short => {
                self.cuts.store(true, Ordering::SeqCst);
                call(self.below())
            }
            Fault::AnswerLost => call(self.below()).and(Err(self.fault.error(name))),
            _ => Err(self.fault.error(name)),
        }
    }

    fn body(&self, mut body: Vec<u8>) -> Vec<u8> {
        if self.cuts.swap(false, Ordering::SeqCst) {
            body.truncate(body.len() / 2);
        }
        body
    }

    fn stream(&self, mut body: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        if !self.cuts.swap(false, Ordering::SeqCst) {
            return body;
        }
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).unwrap();
        bytes.truncate(bytes.len() / 2);
        match self.fault {
            Fault::Cut => Box::new(Cursor::new(bytes).chain(Broken)),
            _ => Box::new(Cursor::new(bytes)),
        }
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn every_call_of_either_side_fails_once_in_every_way() {
    for (fault, at_source) in FAULTS.into_iter().flat_map(|fault| [(fault, true), (fault, false)]) {
        for at in 0.. {
            let (source, mut destination) = two(2);
            let before = content(&source.store);
            let faulty = Once::new(if at_source { &source.store } else { &destination.store }.clone(), fault, at);
            let outcome = match at_source {
                true => copy(faulty.clone(), &destination, destination.store.clone()),
                false => copy(source.store.clone(), &destination, faulty.clone()),
            };
            let side = if at_source { "source" } else { "destination" };
            let step = format!("{fault:?} at call {at} of the {side}: {outcome:?}");
            if let Err(error) = &outcome.0 {
                assert!(error.code != Code::Internal && error.code != Code::Interrupted, "{step}");
            }
            destination.adopt();
            destination.check(&step);
            assert!(content(&source.store) == before, "the source was changed: {step}");
            if outcome.is_whole() {
                check_whole(&source, &mut destination, &step);
            }
            let again = copy(source.store.clone(), &destination, destination.store.clone());
            assert!(again.is_whole(), "{step}, and then {again:?}");
            check_whole(&source, &mut destination, &step);
            if faulty.calls.load(Ordering::SeqCst) <= at {
                assert!(outcome.is_whole() && at > 20, "{step}");
                break;
            }
        }
    }
}

/// Every backup is there, and from the first on all WAL.
fn check_whole(source: &World, destination: &mut World, step: &str) {
    destination.adopt();
    let there = |world: &World| world.there();
    assert_eq!(there(source), there(destination), "{step}");
    destination.note_copied(source.next_segment());
    destination.check(step);
    assert!(destination.has_copied(), "{step}: WAL is missing");
}

#[test]
fn what_is_damaged_is_not_copied() {
    let (source, _) = two(2);
    let victims = source.store.list("clusters/").unwrap().into_iter().map(|entry| entry.key);
    for key in victims.collect::<Vec<_>>() {
        let (source, mut destination) = two(2);
        let body = content(&source.store).into_iter().find(|(name, _)| *name == key).unwrap().1;
        for damaged in [body[..body.len() - 1].to_vec(), [&body[..], b"x"].concat()] {
            source.store.delete(&key).unwrap();
            source.store.create(&key, &mut Cursor::new(damaged)).unwrap();
            let outcome = copy(source.store.clone(), &destination, destination.store.clone());
            destination.adopt();
            destination.check(&format!("{key} is damaged: {outcome:?}"));
        }
        if source.keys.writer_of(&key).is_some() {
            let mut other = body.clone();
            other[0] ^= 1;
            source.store.delete(&key).unwrap();
            source.store.create(&key, &mut Cursor::new(other)).unwrap();
            let outcome = copy(source.store.clone(), &destination, destination.store.clone());
            assert!(!outcome.is_whole(), "{key} is damaged");
            destination.adopt();
            destination.check(&format!("a bit of {key} is damaged: {outcome:?}"));
            assert_eq!(destination.there().len(), 1);
        }
    }
}

fn put(store: &Memory, key: &Key, body: &[u8]) {
    store.delete(key).unwrap();
    store.create(key, &mut Cursor::new(body)).unwrap();
}

/// A segment that has another size there: it is told where its envelope does not account for it, and not overwritten.
#[test]
fn wal_that_is_damaged_where_it_would_be_copied_to() {
    let (source, destination) = two(2);
    assert!(copy(source.store.clone(), &destination, destination.store.clone()).is_whole());
    for entry in destination.store.list(&destination.keys.wal()).unwrap() {
        let key = &entry.key;
        let sound = archived(key);
        let as_by_another_release = archived_as(key, key.as_str(), "shorter");
        for (body, is_sound) in
            [(&sound[..sound.len() - 1], false), (b"garbage", false), (&as_by_another_release[..], true)]
        {
            put(&destination.store, key, body);
            let before = content(&destination.store);
            let outcome = copy(source.store.clone(), &destination, destination.store.clone());
            assert_eq!(outcome.is_whole(), is_sound, "{key}: {outcome:?}");
            assert!(outcome.0.is_ok() && content(&destination.store) == before, "{key}: {outcome:?}");
        }
        // Another history, where what was archived after it is the same again.
        put(&destination.store, key, &archived_as(key, "another", "another"));
        let outcome = copy(source.store.clone(), &destination, destination.store.clone());
        assert!(!outcome.is_whole(), "{key}: {outcome:?}");
        // It is no fault of what is there that it is cut where it comes from.
        put(&destination.store, key, &sound);
        put(&source.store, key, &sound[..sound.len() - 1]);
        let outcome = copy(source.store.clone(), &destination, destination.store.clone());
        assert!(outcome.is_whole(), "{key}: {outcome:?}");
        put(&source.store, key, &sound);
    }
}

/// Another server archived there under the same names.
#[test]
fn two_histories_are_not_mixed() {
    let (source, destination) = two(2);
    let all = source.store.list(&source.keys.wal()).unwrap();
    for (first, entry) in all.iter().enumerate() {
        let (source, destination) = two(2);
        assert!(copy(source.store.clone(), &destination, destination.store.clone()).is_whole());
        source.push();
        for Entry { key, .. } in &all[first..] {
            put(&destination.store, key, &archived_as(key, "another", key.as_str()));
        }
        let before = content(&destination.store);
        for what in [What::All, What::New] {
            let outcome = destination.hand(destination.store.clone()).copy(source.store.clone(), &what, NONE);
            assert_eq!(outcome.map_err(|error| error.code), Err(Code::Conflict), "from {} on", entry.key);
            assert!(content(&destination.store) == before);
        }
    }
    assert!(copy(source.store.clone(), &destination, destination.store.clone()).is_whole());
}

/// What lies there of an old backup when it is copied; there is a new one too.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// By a copy that was killed after so many calls, two hours ago.
    Lately(usize),
    /// The same, and so long ago that it is condemned and due.
    LongAgo(usize),
    /// Its WAL alone, which is condemned and due: it was archived there and only later backups were copied.
    Wal,
}

impl Left {
    fn make(self) -> (World, World) {
        let (source, destination) = match self {
            Left::Lately(calls) | Left::LongAgo(calls) => {
                let (source, destination) = two(1);
                let killed = Faulty::new(destination.store.clone(), calls, When::Before);
                let _ = copy(source.store.clone(), &destination, killed);
                (source, destination)
            }
            Left::Wal => {
                let mut source = World::new(policy());
                let destination = source.beside(all_days(), true);
                source.backup();
                pass([&source, &destination], DAY);
                source.backup();
                let newest = What::One("latest".parse().unwrap());
                destination.hand(destination.store.clone()).copy(source.store.clone(), &newest, NONE).unwrap();
                (source, destination)
            }
        };
        self.age(source, destination)
    }

    fn age(self, mut source: World, destination: World) -> (World, World) {
        if !matches!(self, Left::Lately(_)) {
            pass([&source, &destination], GRACE);
            destination.expire(destination.store.clone(), GRACEFUL, NONE).unwrap();
            pass([&source, &destination], GRACE);
        }
        source.backup();
        pass([&source, &destination], SignedDuration::from_hours(2));
        (source, destination)
    }
}

/// How many calls of the destination a copy makes.
fn calls_of_a_copy(left: Left) -> usize {
    let (source, destination) = left.make();
    let count = Faulty::new(destination.store.clone(), ENOUGH, When::Before);
    assert!(copy(source.store.clone(), &destination, count.clone()).is_whole());
    count.calls()
}

/// Of many calls some, or all where there is time.
fn step() -> usize {
    if std::env::var("PGCAIRN_TEST_LENGTH").is_ok_and(|length| length == "full") { 1 } else { 5 }
}

#[test]
fn a_copy_at_any_moment_of_an_expiry() {
    let last = killed_before_the_marker();
    let killed = (0..last).step_by(step()).chain([last]);
    let lefts = killed.flat_map(|at| [Left::Lately(at), Left::LongAgo(at)]).chain([Left::Wal]);
    for (left, request) in lefts.flat_map(|left| [(left, GRACEFUL), (left, AT_ONCE)]) {
        for at in 0.. {
            let (source, destination) = left.make();
            let step = format!("{left:?}, before call {at} of {request:?}");
            if !copied_inside(request, at, source, destination, &step) {
                break;
            }
        }
    }
}

/// Whether the expiry made so many calls.
fn copied_inside(request: Request, at: usize, source: World, destination: World, step: &str) -> bool {
    let (source, destination) = (Arc::new(source), Arc::new(destination));
    let (from, to) = (source.store.clone(), destination.clone());
    let between = move || drop(copy(from.clone(), &to, to.store.clone()));
    let interrupted = Interrupted::new(destination.store.clone(), at, between);
    let _ = destination.expire(interrupted.clone(), request, NONE);
    let goes_on = interrupted.calls() > at;
    drop(interrupted);
    let mut destination = Arc::into_inner(destination).unwrap();
    destination.adopt();
    destination.check(step);
    let again = copy(source.store.clone(), &destination, destination.store.clone());
    assert!(again.is_whole(), "{step}: {again:?}");
    destination.adopt();
    destination.check(step);
    assert_eq!(source.there(), destination.there(), "{step}");
    goes_on
}

#[test]
fn an_expiry_at_any_moment_of_a_copy_that_is_killed_later() {
    let last = killed_before_the_marker();
    let lefts = [Left::Lately(0), Left::Lately(last), Left::LongAgo(last / 2), Left::LongAgo(last), Left::Wal];
    for (left, request) in lefts.into_iter().flat_map(|left| [(left, GRACEFUL), (left, AT_ONCE)]) {
        let calls = calls_of_a_copy(left);
        let killed = |at| (at..calls).step_by(4 * step()).chain([ENOUGH]).map(move |killed| (at, killed));
        for (at, killed) in (0..calls).flat_map(killed) {
            let (source, destination) = left.make();
            let (mut destination, outcome) = expired_inside(request, at, killed, &source, destination);
            destination.adopt();
            destination.check(&format!("{left:?}, {request:?} before {at}, killed at {killed}: {outcome:?}"));
        }
    }
}

/// Two hours after the call before; only the last two objects of a backup are brought at once one after the other.
fn expired_inside(request: Request, at: usize, killed: usize, source: &World, destination: World) -> (World, Outcome) {
    let destination = Arc::new(destination);
    let to = destination.clone();
    let between = move || {
        if to.last_complete().is_none() {
            to.pass(SignedDuration::from_hours(2));
        }
        drop(to.expire(to.store.clone(), request, NONE));
    };
    let interrupted = Interrupted::new(destination.store.clone(), at, between);
    let outcome = copy(source.store.clone(), &destination, Faulty::new(interrupted, killed, When::Before));
    (Arc::into_inner(destination).unwrap(), outcome)
}

/// At which call of the destination a copy is killed so that it leaves all of a backup but the commit marker.
fn killed_before_the_marker() -> usize {
    let (source, destination) = two(1);
    let counting = Counting::new(destination.store.clone());
    assert!(copy(source.store.clone(), &destination, counting.clone()).is_whole());
    let marker = format!("create {}", destination.keys.backup(&source.there()[0]));
    counting.take().iter().position(|call| *call == marker).unwrap()
}

/// A copy is held as the backup was, also where an earlier copy has left a hold of its own.
#[test]
fn what_is_held_is_held_there() {
    for killed_at in 0.. {
        let (source, mut destination) = two(1);
        let left = Faulty::new(destination.store.clone(), killed_before_the_marker(), When::Before);
        let _ = copy(source.store.clone(), &destination, left);
        let killed = Faulty::new(destination.store.clone(), killed_at, When::Before);
        let _ = copy(source.store.clone(), &destination, killed);
        let id: BackupId = source.there()[0].clone();
        if destination.is_there(&destination.keys.backup(&id)) {
            break;
        }
        source.hold_unseen(&id);
        assert!(copy(source.store.clone(), &destination, destination.store.clone()).is_whole());
        destination.adopt();
        let hold = destination.hold_of(&destination.keys.hold(&id), &id).unwrap();
        assert_eq!((hold.reason.as_str(), hold.until), ("x", None), "killed at {killed_at}");
    }
}

/// For longer than a hold of its own lasts, before any of its calls up to the list: what is committed is whole.
#[test]
fn a_copy_that_stood_still_for_weeks() {
    let (source, destination) = two(1);
    let counting = Counting::new(destination.store.clone());
    assert!(copy(source.store.clone(), &destination, counting.clone()).is_whole());
    let list = format!("create {}", destination.keys.objects(&source.there()[0]));
    let last = counting.take().iter().position(|call| *call == list).unwrap();
    for (left, at) in [None, Some(3)].into_iter().flat_map(|left| (0..=last).map(move |at| (left, at))) {
        let (source, destination) = two(1);
        if let Some(killed) = left {
            let _ =
                copy(source.store.clone(), &destination, Faulty::new(destination.store.clone(), killed, When::Before));
        }
        let destination = Arc::new(destination);
        let to = destination.clone();
        let between = move || {
            to.pass(GRACE * 2 + DAY);
            let _ = to.expire(to.store.clone(), GRACEFUL, NONE);
            let _ = to.expire(to.store.clone(), AT_ONCE, NONE);
        };
        let interrupted = Interrupted::new(destination.store.clone(), at, between);
        let outcome = copy(source.store.clone(), &destination, interrupted.clone());
        drop(interrupted);
        let mut destination = Arc::into_inner(destination).unwrap();
        destination.adopt();
        destination.check(&format!("stood still before call {at}, {left:?} before: {outcome:?}"));
    }
}

/// Nor does an expiry that takes it for nobody's, because the copy was killed long ago and only now goes on.
#[test]
fn an_old_hold_of_a_copy_stays_where_the_copy_goes_on() {
    for (request, at) in [GRACEFUL, AT_ONCE].into_iter().flat_map(|request| (0..150).map(move |at| (request, at))) {
        let (source, destination) = two(1);
        let id: BackupId = source.there()[0].clone();
        source.hold_unseen(&id);
        let killed = Faulty::new(destination.store.clone(), killed_before_the_marker(), When::Before);
        let _ = copy(source.store.clone(), &destination, killed);
        pass([&source, &destination], GRACE + DAY);
        let (source, destination) = (Arc::new(source), Arc::new(destination));
        let (from, to) = (source.store.clone(), destination.clone());
        let between = move || drop(copy(from.clone(), &to, to.store.clone()));
        let interrupted = Interrupted::new(destination.store.clone(), at, between);
        let _ = destination.expire(interrupted.clone(), request, NONE);
        if destination.is_there(&destination.keys.backup(&id)) {
            let hold = destination.hold_of(&destination.keys.hold(&id), &id).unwrap();
            assert_eq!((hold.reason.as_str(), hold.until), ("x", None), "{request:?}, before call {at}");
        }
    }
}

#[test]
fn a_clock_that_is_ahead_copies_no_less() {
    let prepared = || {
        let mut source = World::new(policy());
        let destination = source.beside(policy(), false);
        for _ in 0..4 {
            source.backup();
            source.push();
            pass([&source, &destination], DAY / 2);
        }
        (source, destination)
    };
    let (source, mut destination) = prepared();
    assert!(copy(source.store.clone(), &destination, destination.store.clone()).is_whole());
    destination.adopt();
    let due = destination.there().len();
    let (source, mut destination) = prepared();
    let to = destination.store.clone();
    let outcome = Outcome(destination.hand(to).copy(source.store.clone(), &What::All, DAY * 60));
    destination.adopt();
    let there = destination.there().len();
    assert_eq!(there, due, "{outcome:?}");
}
