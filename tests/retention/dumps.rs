//! Dumps under the same promises: every call of an expiry fails once, and once other work comes before each call. A dump
//! whose marker is there, or was dropped less than a grace time ago, has all that it consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pgcairn::codec::FrameCompressor;
use pgcairn::model::catalog::{FORMAT, ObjectLine, ObjectsDigest};
use pgcairn::model::deletion::{GRACE, Hold, LONGEST_SILENCE};
use pgcairn::model::dump::{Summary, Totals, format_marker};
use pgcairn::model::error::{Code, Result};
use pgcairn::model::interrupt::Interrupt;
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Encryption, Key};
use pgcairn::model::plan::dump_retention::DumpPolicy;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::operation::copy::{Route, What};
use pgcairn::operation::expire::{Place, Policies, Request, undelete};
use pgcairn::operation::{commit_in_time, hold};
use pgcairn::report::Quiet;
use pgcairn::report::copy::Brought;
use pgcairn::report::expire::Expire;
use pgcairn::store::{Backend, Repository};
use proptest::prelude::*;

use crate::layers::{Counting, Faulty, When};
use crate::maker::{part, stored};
use crate::memory::Memory;
use crate::steps::{AT_ONCE, DAY, ENOUGH, GRACEFUL, Interrupted};
use crate::world::repository_at;

struct Dumps {
    store: Arc<Memory>,
    keys: ClusterKeys,
    policy: DumpPolicy,
    number: u32,
    made: BTreeMap<BackupId, Summary>,
    /// Dropped with grace, and when.
    dropped: BTreeMap<BackupId, Timestamp>,
    held: BTreeSet<BackupId>,
}

/// One that has its parts and no list.
struct Begun {
    id: BackupId,
    objects: Vec<ObjectLine>,
}

impl Dumps {
    fn new() -> Dumps {
        let store = repository_at("2026-01-01T00:00:00Z".parse().unwrap());
        let keys = ClusterKeys::new(&ClusterName::new("main").unwrap(), 7, Encryption::None);
        let within = Duration::from_secs(2 * 24 * 3600);
        let policy = DumpPolicy { within, minimum: 1, ..DumpPolicy::default() };
        let (number, made, dropped, held) = Default::default();
        Dumps { store, keys, policy, number, made, dropped, held }
    }

    fn now(&self) -> Timestamp {
        self.store.now()
    }

    fn put(&self, key: &Key, body: &[u8]) {
        self.store.create(key, &mut Cursor::new(body)).unwrap();
    }

    fn begin(&mut self) -> Begun {
        self.number += 1;
        let start = self.now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let id = BackupId::of_dump(&start, self.number).unwrap();
        let keys = [self.keys.dump_piece(&id, 1), self.keys.dump_piece(&id, 2), self.keys.dump_contents(&id)];
        let line = |key: Key| {
            let body = part(&key);
            self.put(&key, &body);
            ObjectLine { key, size: body.len() as u64, sha256: Sha256Sum::of(&body) }
        };
        let mut objects: Vec<ObjectLine> = keys.into_iter().map(line).collect();
        objects.sort();
        Begun { id, objects }
    }

    /// As the operation does it: if it is not too late.
    fn finish(&mut self, begun: &Begun) -> Result<()> {
        let lines: Vec<String> = begun.objects.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        let mut list = Vec::new();
        FrameCompressor::new(1).unwrap().compress(lines.concat().as_bytes(), &mut list).unwrap();
        self.put(&self.keys.dump_objects(&begun.id), &list);
        let repository = Repository::open_on(self.store.clone(), None)?;
        commit_in_time::still_there(&repository.reader(), &self.keys, &begun.id, &begun.objects)?;
        let summary = Summary {
            format: FORMAT,
            minimum_reader: FORMAT,
            id: begun.id.clone(),
            cluster: ClusterName::new("main").unwrap(),
            system_identifier: 7,
            labels: BTreeMap::new(),
            server_version: 180_004,
            pg_dump_major: 18,
            started: self.now(),
            finished: self.now(),
            standby: false,
            schema_only: false,
            databases: vec!["shop".to_owned()],
            totals: Totals { databases: 1, stored_bytes: stored(&begun.objects, &list), ..Totals::default() },
            objects: ObjectsDigest { size: list.len() as u64, sha256: Sha256Sum::of(&list) },
            recipients: Vec::new(),
            pgcairn: String::new(),
            lacks_objects: false,
        };
        self.put(&self.keys.dump(&begun.id), &format_marker(&summary, None).unwrap());
        self.made.insert(begun.id.clone(), summary);
        Ok(())
    }

    fn dump(&mut self) -> BackupId {
        let begun = self.begin();
        self.finish(&begun).unwrap();
        begun.id
    }

    fn has(&self, key: &Key) -> bool {
        self.store.stat(key).is_ok()
    }

    fn there(&self) -> Vec<BackupId> {
        self.made.keys().filter(|id| self.has(&self.keys.dump(id))).cloned().collect()
    }

    fn in_trash(&self) -> BTreeSet<BackupId> {
        let entries = self.store.list(&self.keys.trash()).unwrap().into_iter();
        let there = self.there();
        entries.filter_map(|e| self.keys.trashed_id_of(&e.key)).filter(|id| !there.contains(id)).collect()
    }

    fn expire(&self, over: Arc<dyn Backend>, request: Request) -> Result<Expire> {
        let repository = Repository::open_on(over, None)?;
        let place = Place { repository, cluster: None, now: self.now(), interrupt: Interrupt::default() };
        place.expire(Policies { backups: None, dumps: Some(&self.policy) }, &request, &Quiet)
    }

    fn hold(&self, over: Arc<dyn Backend>, id: &BackupId) -> Result<()> {
        let (backup, reason, created) = (id.clone(), "x".to_owned(), self.now());
        let hold = Hold { format: 1, backup, reason, created, until: None };
        hold::place(&Repository::open_on(over, None)?, &self.keys, &hold)
    }

    fn undelete(&self, over: Arc<dyn Backend>, id: &BackupId) -> Result<()> {
        undelete::bring_back(&Repository::open_on(over, None)?, &self.keys, id, self.now()).map(drop)
    }

    /// Into the repository of this world.
    fn copy(&self, from: Arc<dyn Backend>, to: Arc<dyn Backend>) -> Result<Brought> {
        let route = Route {
            from: Repository::open_on(from, None)?,
            to: Repository::open_on(to, None)?,
            sources: "others".to_owned(),
            name: "offsite".to_owned(),
            cluster: None,
            keep: None,
            retention: None,
            dump_retention: Some(self.policy.clone()),
            jobs: 1,
            now: self.now(),
            interrupt: Interrupt::default(),
        };
        route.bring(&What::All, &Quiet)
    }

    fn note(&mut self, before: &[BackupId], request: Request) {
        let there = self.there();
        let now = self.now();
        if request.now {
            self.dropped.clear();
        } else {
            let gone = before.iter().filter(|id| !there.contains(id));
            self.dropped.extend(gone.map(|id| (id.clone(), now)));
        }
        self.dropped.retain(|id, _| !there.contains(id));
    }

    /// Panics where a promise is broken.
    fn check(&self, step: &str) {
        let there = self.there();
        let young = |since: &Timestamp| self.now().duration_since(*since) < GRACE;
        let dropped: Vec<&BackupId> = self.dropped.iter().filter(|(_, since)| young(since)).map(|(id, _)| id).collect();
        for id in &dropped {
            assert!(self.in_trash().contains(id), "{step}: {id} cannot be brought back");
        }
        for id in there.iter().chain(dropped) {
            for key in [self.keys.dump_piece(id, 1), self.keys.dump_piece(id, 2), self.keys.dump_contents(id)] {
                let mut body = Vec::new();
                let object = self.store.get(&key);
                object.unwrap_or_else(|_| panic!("{step}: {id} needs {key}")).read_to_end(&mut body).unwrap();
                assert!(body == part(&key), "{step}: {key} is damaged");
            }
            assert!(self.has(&self.keys.dump_objects(id)), "{step}: {id} has no list");
        }
        for id in &self.held {
            assert!(there.contains(id), "{step}: {id} is held and gone");
        }
        // One that was copied here counts, too.
        let any = self.store.list(&self.keys.dumps()).unwrap().iter().any(|e| self.keys.dump_id_of(&e.key).is_some());
        assert!(self.made.is_empty() || any, "{step}: nothing is left");
    }

    fn check_nothing_is_left_over(&self) {
        let there = self.there();
        for entry in self.store.list(&self.keys.dumps()).unwrap() {
            let of = self.keys.dump_part_of(&entry.key).or_else(|| self.keys.dump_id_of(&entry.key)).unwrap();
            assert!(there.contains(&of), "{} is left over", entry.key);
        }
        for directory in [self.keys.trash(), self.keys.runs(), self.keys.condemned()] {
            assert!(self.store.list(&directory).unwrap().is_empty(), "{directory}");
        }
        for entry in self.store.list(&self.keys.holds()).unwrap() {
            assert!(there.contains(&self.keys.held_by(&entry.key).unwrap()), "{} is left over", entry.key);
        }
    }
}

/// Some are in the trash, some to be dropped; one run has died long ago, another is at work.
fn eventful() -> (Dumps, Begun) {
    let mut world = Dumps::new();
    world.begin();
    for day in 0..13 {
        world.dump();
        world.store.pass(DAY);
        if day == 4 {
            let before = world.there();
            world.expire(world.store.clone(), GRACEFUL).unwrap();
            world.note(&before, GRACEFUL);
            assert_eq!(world.in_trash().len(), 4);
        }
    }
    let at_work = world.begin();
    world.check("a beginning");
    (world, at_work)
}

#[test]
fn what_is_dropped_goes_into_the_trash_and_then_away() {
    let (mut world, at_work) = eventful();
    let before = world.there();
    let counting = Counting::new(world.store.clone());
    let dry = world.expire(counting.clone(), Request { dry_run: true, ..Request::default() }).unwrap();
    let changed = |call: &String| ["create", "delete", "persist"].iter().any(|word| call.starts_with(word));
    assert_eq!(counting.take().into_iter().find(changed), None, "a dry run changes nothing");
    let done = world.expire(world.store.clone(), GRACEFUL).unwrap();
    assert_eq!((dry.dropped_dumps, dry.dumps), (done.dropped_dumps, done.dumps.clone()));
    assert_eq!((dry.freed_bytes, dry.condemned_bytes), (done.freed_bytes, done.condemned_bytes));
    assert!(done.freed_bytes > 0 && done.condemned_bytes > 0, "{done:?}");
    assert_eq!(done.dropped_dumps as usize, before.len() - world.there().len());
    world.note(&before, GRACEFUL);
    world.check("dropped");
    let again = world.expire(world.store.clone(), GRACEFUL).unwrap();
    assert_eq!((again.dropped_dumps, again.freed_bytes, again.condemned_bytes), (0, 0, 0));
    world.finish(&at_work).expect("a dump at work is not hurt");
    world.store.pass(GRACE);
    world.dump();
    world.expire(world.store.clone(), AT_ONCE).unwrap();
    world.check_nothing_is_left_over();
}

#[test]
fn at_once_nothing_is_left_but_what_is_at_work() {
    let (mut world, at_work) = eventful();
    let dry = world.expire(world.store.clone(), Request { dry_run: true, ..AT_ONCE }).unwrap();
    let done = world.expire(world.store.clone(), AT_ONCE).unwrap();
    assert_eq!(dry.freed_bytes, done.freed_bytes);
    let left: BTreeSet<BackupId> =
        world.store.list(&world.keys.dumps()).unwrap().iter().filter_map(|e| world.keys.dump_part_of(&e.key)).collect();
    let expected: BTreeSet<BackupId> = world.there().into_iter().chain([at_work.id.clone()]).collect();
    assert_eq!(left, expected);
    world.finish(&at_work).unwrap();
}

#[test]
fn every_call_fails_once() {
    for request in [GRACEFUL, AT_ONCE] {
        let (world, _) = eventful();
        let count = Faulty::new(world.store.clone(), ENOUGH, When::Before);
        world.expire(count.clone(), request).unwrap();
        for (call, when) in (0..count.calls()).flat_map(|call| [(call, When::Before), (call, When::After)]) {
            let (mut world, at_work) = eventful();
            let before = world.there();
            let step = format!("{request:?}, call {call} fails ({when:?})");
            world.expire(Faulty::new(world.store.clone(), call, when), request).expect_err(&step);
            world.note(&before, request);
            world.check(&step);
            world.finish(&at_work).expect("a dump at work is not hurt");
            world.expire(world.store.clone(), request).unwrap();
            world.note(&before, request);
            world.check(&format!("after {step}"));
            world.store.pass(GRACE);
            world.expire(world.store.clone(), request).unwrap();
            world.dropped.clear();
            world.store.pass(GRACE);
            world.expire(world.store.clone(), request).unwrap();
            world.store.pass(GRACE);
            world.expire(world.store.clone(), request).unwrap();
            world.check_nothing_is_left_over();
        }
    }
}

/// `work` between any two calls of an expiry; every promise must hold afterwards.
fn between(name: &str, work: impl Fn(&Dumps) + Send + Sync + Clone + 'static) {
    for at in 0.. {
        let (world, at_work) = eventful();
        let before = world.there();
        let world = Arc::new(world);
        let (work, there) = (work.clone(), world.clone());
        let interrupted = Interrupted::new(world.store.clone(), at, move || work(&there));
        let outcome = world.expire(interrupted.clone(), GRACEFUL);
        let calls = interrupted.calls();
        drop(interrupted);
        let mut world = Arc::into_inner(world).unwrap();
        world.note(&before, GRACEFUL);
        let step = format!("{name} before call {at}: {:?}", outcome.err());
        let holds = world.store.list(&world.keys.holds()).unwrap();
        let ids = holds.iter().filter_map(|entry| world.keys.held_by(&entry.key));
        world.held = ids.filter(|id| world.made.contains_key(id)).collect();
        world.check(&step);
        world.finish(&at_work).expect(&step);
        world.expire(world.store.clone(), GRACEFUL).unwrap();
        world.check(&step);
        if at >= calls {
            break;
        }
    }
}

#[test]
fn two_expiries_at_once() {
    between("another expiry", |world| drop(world.expire(world.store.clone(), GRACEFUL).unwrap()));
}

#[test]
fn a_hold_at_any_moment() {
    between("a hold", |world| {
        for id in world.made.keys() {
            if let Err(error) = world.hold(world.store.clone(), id) {
                assert_eq!(error.code, Code::NotFound, "{error}");
            }
        }
    });
}

#[test]
fn undelete_at_any_moment() {
    between("undelete", |world| {
        for id in world.in_trash() {
            if let Err(error) = world.undelete(world.store.clone(), &id) {
                assert!([Code::NotFound, Code::Damaged].contains(&error.code), "{error}");
            }
        }
    });
}

/// What an earlier copy has left is too old to be anybody's, and an expiry comes before any call of the next copy.
#[test]
fn an_expiry_at_any_moment_of_a_copy() {
    for at in 0.. {
        let (mut source, world) = (Dumps::new(), Dumps::new());
        let id = source.dump();
        let parts = [world.keys.dump_piece(&id, 1), world.keys.dump_contents(&id)];
        parts.iter().for_each(|key| world.put(key, &part(key)));
        [&source, &world].iter().for_each(|one| one.store.pass(GRACE));
        let world = Arc::new(world);
        let there = world.clone();
        let expire = move || drop(there.expire(there.store.clone(), GRACEFUL).unwrap());
        let interrupted = Interrupted::new(world.store.clone(), at, expire);
        let outcome = world.copy(source.store.clone(), interrupted.clone());
        let calls = interrupted.calls();
        drop(interrupted);
        let mut world = Arc::into_inner(world).unwrap();
        world.expire(world.store.clone(), GRACEFUL).unwrap();
        world.made = source.made.clone();
        match outcome {
            Ok(brought) if brought.failed.is_empty() => assert_eq!(world.there(), [id], "before call {at}"),
            Ok(brought) => assert!(world.there().is_empty(), "before call {at}: {brought:?}"),
            Err(error) => assert_eq!(error.code, Code::Conflict, "{error}"),
        }
        if !world.there().is_empty() {
            world.check(&format!("an expiry before call {at} of a copy"));
        }
        if at >= calls {
            break;
        }
    }
}

#[test]
fn a_dump_that_stood_still_gives_itself_up() {
    let mut world = Dumps::new();
    let begun = world.begin();
    world.store.pass(LONGEST_SILENCE);
    let error = world.finish(&begun).unwrap_err();
    assert_eq!(error.code, Code::Dump, "{error}");
    assert!(error.message.contains("it stored nothing"), "{error}");
}

#[test]
fn undelete_brings_back_what_was_dropped_and_holds_it() {
    let (mut world, _) = eventful();
    let before = world.there();
    world.expire(world.store.clone(), GRACEFUL).unwrap();
    world.note(&before, GRACEFUL);
    world.store.pass(GRACE - SignedDuration::from_mins(1));
    world.expire(world.store.clone(), GRACEFUL).unwrap();
    for id in before.iter().filter(|id| !world.there().contains(id)).cloned().collect::<Vec<_>>() {
        world.undelete(world.store.clone(), &id).unwrap();
        world.hold(world.store.clone(), &id).unwrap();
        assert_eq!(world.hold(world.store.clone(), &id).unwrap_err().code, Code::Conflict);
        world.held.insert(id);
    }
    world.note(&[], GRACEFUL);
    world.store.pass(DAY * 30);
    world.expire(world.store.clone(), GRACEFUL).unwrap();
    world.check("much later");
}

#[test]
fn more_than_half_is_refused() {
    let mut world = Dumps::new();
    for _ in 0..5 {
        world.dump();
        world.store.pass(DAY * 3);
    }
    let error = world.expire(world.store.clone(), Request::default()).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::Refused, "4 of 5 dumps would be dropped, more than half"));
    assert_eq!(world.there().len(), 5);
}

#[test]
fn what_lacks_objects_pushes_nothing_out() {
    for lost in 0..3 {
        let mut world = Dumps::new();
        let ids: Vec<BackupId> = (0..3)
            .map(|_| {
                world.store.pass(DAY * 3);
                world.dump()
            })
            .collect();
        world.store.pass(DAY * 3);
        let newest = &ids[2];
        let parts =
            [world.keys.dump_piece(newest, 1), world.keys.dump_piece(newest, 2), world.keys.dump_contents(newest)];
        world.store.delete(&parts[lost]).unwrap();
        world.expire(world.store.clone(), GRACEFUL).unwrap();
        assert!(world.there().contains(&ids[1]) && !world.there().contains(&ids[0]), "{lost}: {:?}", world.there());
    }
}

#[derive(Debug, Clone)]
enum Step {
    Dump,
    Begin,
    Finish,
    Hold(usize),
    Release(usize),
    Undelete(usize),
    Expire { request: Request, killed: Option<(usize, bool)> },
    Pass { hours: i64 },
}

fn steps() -> impl Strategy<Value = Step> {
    let request = prop_oneof![4 => Just(GRACEFUL), 1 => Just(AT_ONCE)];
    let killed = proptest::option::of((0usize..80, any::<bool>()));
    prop_oneof![
        5 => Just(Step::Dump),
        1 => Just(Step::Begin),
        1 => Just(Step::Finish),
        1 => (0usize..30).prop_map(Step::Hold),
        1 => (0usize..30).prop_map(Step::Release),
        2 => (0usize..30).prop_map(Step::Undelete),
        6 => (request, killed).prop_map(|(request, killed)| Step::Expire { request, killed }),
        6 => (1i64..60).prop_map(|hours| Step::Pass { hours }),
    ]
}

fn take(world: &mut Dumps, at_work: &mut Option<Begun>, step: &Step) {
    let store = world.store.clone();
    let pick = |which: usize, of: Vec<BackupId>| of.get(which % of.len().max(1)).cloned();
    match *step {
        Step::Dump => drop(world.dump()),
        Step::Begin => *at_work = Some(world.begin()),
        Step::Finish => {
            // Too late is as good as in time, as long as it is said.
            let _ = at_work.take().map(|begun| world.finish(&begun));
        }
        Step::Hold(which) => {
            if let Some(id) = pick(which, world.there())
                && world.hold(store, &id).is_ok()
            {
                world.held.insert(id);
            }
        }
        Step::Release(which) => {
            if let Some(id) = pick(which, world.held.iter().cloned().collect()) {
                Repository::open_on(store, None).unwrap().remover().remove(&world.keys.hold(&id)).unwrap();
                world.held.remove(&id);
            }
        }
        Step::Undelete(which) => {
            if let Some(id) = pick(which, world.in_trash().into_iter().collect()) {
                let _ = world.undelete(store, &id);
                world.note(&[], GRACEFUL);
            }
        }
        Step::Expire { request, killed } => {
            let before = world.there();
            let over: Arc<dyn Backend> = match killed {
                None => store,
                Some((at, false)) => Faulty::new(store, at, When::Before),
                Some((at, true)) => Faulty::new(store, at, When::After),
            };
            let _ = world.expire(over, request);
            world.note(&before, request);
        }
        Step::Pass { hours } => world.store.pass(SignedDuration::from_hours(hours)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn random_lives(steps in proptest::collection::vec(steps(), 1..60)) {
        let (mut world, mut at_work) = (Dumps::new(), None);
        for (number, step) in steps.iter().enumerate() {
            take(&mut world, &mut at_work, step);
            world.check(&format!("step {number}, {step:?}"));
        }
    }
}
