//! What every store must do, error paths and races included.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::Barrier;

use jiff::{SignedDuration, Timestamp};
use pgcairn::model::key::Key;
use pgcairn::store::{Backend, Entry, Error, Result};

/// Writers that race for one key.
const RACERS: usize = 16;

pub fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub fn put(store: &dyn Backend, name: &str, body: &[u8]) -> Result<()> {
    store.create(&key(name), &mut Cursor::new(body))
}

pub fn read(store: &dyn Backend, name: &str) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    store.get(&key(name))?.read_to_end(&mut body).unwrap();
    Ok(body)
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key.as_str()).collect()
}

pub fn is_missing<T>(result: Result<T>, name: &str) -> bool {
    matches!(result, Err(Error::NotFound { key: found }) if found == key(name))
}

pub fn exists_already(result: &Result<()>, name: &str) -> bool {
    matches!(result, Err(Error::AlreadyExists { key: found }) if *found == key(name))
}

/// `store` is empty.
pub fn conformance(store: Arc<dyn Backend>) {
    let store = store.as_ref();
    what_is_missing_is_not_found(store);
    bodies_of_any_size_come_back(store);
    ranges_end_with_the_object(store);
    opened_objects_can_be_sought(store);
    nothing_is_overwritten(store);
    one_of_many_writers_wins(store);
    listings_are_sorted_and_recursive(store);
    what_is_deleted_is_gone(store);
    odd_names_are_names(store);
    long_listings_are_whole(store);
}

fn what_is_missing_is_not_found(store: &dyn Backend) {
    for name in ["absent", "no/such/directory/absent"] {
        assert!(is_missing(store.get(&key(name)), name));
        assert!(is_missing(store.get_range(&key(name), 0..1), name));
        assert!(is_missing(store.open(&key(name)), name));
        assert!(is_missing(store.stat(&key(name)), name));
        assert!(is_missing(store.persist(&key(name)), name));
        assert!(is_missing(store.delete(&key(name)), name));
    }
    assert_eq!(store.list("").unwrap(), []);
    assert_eq!(store.list("no/such/directory/").unwrap(), []);
}

fn bodies_of_any_size_come_back(store: &dyn Backend) {
    for (name, size) in [("empty", 0), ("small", 1), ("a/b/c/d/e/f", 4097), ("big", 40 << 20)] {
        let body: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let before = Timestamp::now();
        put(store, name, &body).unwrap();
        assert_eq!(read(store, name).unwrap(), body);
        let stat = store.stat(&key(name)).unwrap();
        assert_eq!(stat.size, size as u64);
        // File systems keep times with the granularity of their tick, and S3 with that of a second.
        assert!(stat.modified >= before - SignedDuration::from_secs(2), "{} < {before}", stat.modified);
        store.persist(&key(name)).unwrap();
    }
    assert!(is_missing(store.get(&key("a/b")), "a/b"), "a directory is no object");
    assert!(is_missing(store.stat(&key("a/b")), "a/b"), "a directory is no object");
    assert!(is_missing(store.get(&key("small/x")), "small/x"), "an object is no directory");
}

fn ranges_end_with_the_object(store: &dyn Backend) {
    put(store, "ranges", b"0123456789").unwrap();
    let range = |range| store.get_range(&key("ranges"), range).unwrap();
    assert_eq!(range(0..4), b"0123");
    assert_eq!(range(8..100), b"89");
    assert_eq!(range(10..20), b"");
    assert_eq!(range(50..u64::MAX), b"");
    assert_eq!(range(3..3), b"");
    assert_eq!(range(0..u64::MAX), b"0123456789");
}

fn opened_objects_can_be_sought(store: &dyn Backend) {
    let mut opened = store.open(&key("ranges")).unwrap();
    let mut part = [0; 2];
    for (at, expected) in [(SeekFrom::Start(7), b"78"), (SeekFrom::Start(0), b"01"), (SeekFrom::End(-2), b"89")] {
        opened.seek(at).unwrap();
        opened.read_exact(&mut part).unwrap();
        assert_eq!(&part, expected);
    }
}

fn nothing_is_overwritten(store: &dyn Backend) {
    put(store, "once/and/for/all", b"first").unwrap();
    for body in [&b"second"[..], b"first", b""] {
        assert!(exists_already(&put(store, "once/and/for/all", body), "once/and/for/all"));
    }
    assert_eq!(read(store, "once/and/for/all").unwrap(), b"first");
}

fn one_of_many_writers_wins(store: &dyn Backend) {
    for round in 0..8 {
        let name = format!("race/{round}/object");
        let barrier = Barrier::new(RACERS);
        let write = |racer: usize| {
            barrier.wait();
            put(store, &name, &vec![racer as u8; 100_000])
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let write = &write;
            let racers: Vec<_> = (0..RACERS).map(|racer| scope.spawn(move || write(racer))).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..RACERS).filter(|racer| results[*racer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        assert_eq!(results.iter().filter(|result| exists_already(result, &name)).count(), RACERS - 1, "{results:?}");
        assert_eq!(read(store, &name).unwrap(), vec![winners[0] as u8; 100_000]);
    }
}

fn listings_are_sorted_and_recursive(store: &dyn Backend) {
    for name in ["list/b/2", "list/b/10", "list/b.json", "list/a", "list/b-c/x", "listing", "list/c/d/e"] {
        put(store, name, name.as_bytes()).unwrap();
    }
    let list = |prefix| store.list(prefix).unwrap();
    let all = ["list/a", "list/b-c/x", "list/b.json", "list/b/10", "list/b/2", "list/c/d/e"];
    assert_eq!(names(&list("list/")), all);
    assert_eq!(store.children("list").unwrap(), children_of(&all), "one level of what goes on below");
    assert_eq!(store.children("list/no").unwrap(), Vec::<String>::new());
    assert_eq!(names(&list("list")), [&all[..], &["listing"]].concat());
    assert_eq!(names(&list("list/b")), ["list/b-c/x", "list/b.json", "list/b/10", "list/b/2"]);
    assert_eq!(names(&list("list/b/1")), ["list/b/10"]);
    assert_eq!(names(&list("list/a/")), [""; 0]);
    let everything = list("");
    assert!(everything.is_sorted_by(|a, b| a.key < b.key));
    assert!(all.iter().all(|name| names(&everything).contains(name)));
    for entry in list("list") {
        assert_eq!(entry.size, entry.key.as_str().len() as u64);
        assert_eq!(entry.modified, store.stat(&entry.key).unwrap().modified);
    }
}

fn what_is_deleted_is_gone(store: &dyn Backend) {
    store.delete(&key("list/b/2")).unwrap();
    assert!(is_missing(store.get(&key("list/b/2")), "list/b/2"));
    assert!(is_missing(store.delete(&key("list/b/2")), "list/b/2"));
    assert_eq!(names(&store.list("list/b/").unwrap()), ["list/b/10"]);
    put(store, "list/b/2", b"again").unwrap();
    assert_eq!(read(store, "list/b/2").unwrap(), b"again");
}

/// The parts that follow `list/` in names that go on behind them.
fn children_of(names: &[&str]) -> Vec<String> {
    let next = |name: &&str| Some(name.strip_prefix("list/")?.split_once('/')?.0.to_owned());
    let children: std::collections::BTreeSet<String> = names.iter().filter_map(next).collect();
    children.into_iter().collect()
}

/// All that a key may hold, and nothing of it means anything to a store.
fn odd_names_are_names(store: &dyn Backend) {
    let long = "x".repeat(200);
    let names = [
        "odd/...",
        "odd/..a",
        "odd/.hidden",
        "odd/-",
        "odd/--flag",
        "odd/_",
        "odd/A",
        "odd/a",
        "odd/a.b-c_d",
        "odd/a.",
        "odd/000000010000000000000001.partial.zst.age",
        &format!("odd/{long}"),
        &format!("odd/d/{long}/{long}/{long}"),
    ];
    for name in names {
        put(store, name, name.as_bytes()).unwrap();
    }
    for name in names {
        assert_eq!(read(store, name).unwrap(), name.as_bytes());
        assert_eq!(store.stat(&key(name)).unwrap().size, name.len() as u64);
    }
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(self::names(&store.list("odd/").unwrap()), sorted);
    assert_eq!(self::names(&store.list("odd/a").unwrap()), ["odd/a", "odd/a.", "odd/a.b-c_d"]);
    assert_eq!(store.children("odd").unwrap(), ["d"]);
}

/// More than a page where pages are small, objects and directories in turn.
fn long_listings_are_whole(store: &dyn Backend) {
    let names: Vec<String> = (0..25).flat_map(|i| [format!("long/{i:02}"), format!("long/{i:02}.d/x")]).collect();
    for name in names.iter().rev() {
        put(store, name, b"").unwrap();
    }
    assert_eq!(self::names(&store.list("long/").unwrap()), names.iter().map(String::as_str).collect::<Vec<_>>());
    let children: Vec<String> = (0..25).map(|i| format!("{i:02}.d")).collect();
    assert_eq!(store.children("long").unwrap(), children);
}
