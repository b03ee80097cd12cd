//! The facade: markers, proven absence, roles.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};

use pgcairn::model::key::Encryption;
use pgcairn::store::{Backend, Error, LocalBackend, PROBES, Repository, RepositoryUrl, Result};

use crate::layers::{Counting, Faulty, Layer, On, When};
use crate::memory::Memory;
use crate::suite::key;

fn url(path: &Path) -> RepositoryUrl {
    format!("file://{}", path.display()).parse().unwrap()
}

fn create(repository: &Repository, name: &str) -> Result<()> {
    repository.creator().create(&key(name), &mut Cursor::new(b"body"))
}

#[test]
fn a_repository_is_created_once_and_opened_by_id() {
    let parent = tempfile::tempdir().unwrap();
    let url = url(&parent.path().join("repository"));
    assert!(matches!(Repository::open(&url, None), Err(Error::NotARepository { .. })));
    let created = Repository::create(&url, Encryption::Age).unwrap();
    assert_eq!(created.id().len(), 32);
    assert_eq!(created.encryption(), Encryption::Age);
    assert_eq!(created.url(), url.to_string());
    assert!(matches!(Repository::create(&url, Encryption::None), Err(Error::AlreadyExists { .. })));
    let opened = Repository::open(&url, Some(created.id())).unwrap();
    assert_eq!(opened.marker(), created.marker());
    let other = "0".repeat(32);
    assert!(matches!(
        Repository::open(&url, Some(&other)),
        Err(Error::OtherRepository { expected, found, .. }) if expected == other && found == created.id()
    ));
}

#[test]
fn of_many_inits_one_wins() {
    let parent = tempfile::tempdir().unwrap();
    let url = &url(&parent.path().join("repository"));
    let results: Vec<_> = std::thread::scope(|scope| {
        let inits: Vec<_> = (0..8).map(|_| scope.spawn(|| Repository::create(url, Encryption::Age))).collect();
        inits.into_iter().map(|init| init.join().unwrap()).collect()
    });
    let won: Vec<_> = results.iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert_eq!(Repository::open(url, None).unwrap().id(), won[0].id());
    assert!(results.iter().all(|r| matches!(r, Ok(_) | Err(Error::AlreadyExists { .. }))));
}

#[test]
fn found_missing_and_unproven_are_three_things() {
    let parent = tempfile::tempdir().unwrap();
    let repository = Repository::create(&url(parent.path()), Encryption::None).unwrap();
    create(&repository, "a/b").unwrap();
    let reader = repository.reader();
    let mut body = String::new();
    reader.find(&key("a/b")).unwrap().unwrap().read_to_string(&mut body).unwrap();
    assert_eq!(body, "body");
    assert!(reader.find(&key("a/c")).unwrap().is_none());
    assert!(matches!(reader.get(&key("a/c")), Err(Error::NotFound { .. })));
    assert!(reader.list("c/").unwrap().is_empty());

    let marker = parent.path().join("pgcairn.json");
    let hidden = parent.path().join("hidden");
    fs::rename(&marker, &hidden).unwrap();
    assert!(reader.find(&key("a/b")).unwrap().is_some(), "what is there needs no proof");
    assert!(matches!(reader.find(&key("a/c")), Err(Error::NotARepository { .. })));
    assert!(matches!(reader.stat(&key("a/c")), Err(Error::NotARepository { .. })));
    assert!(matches!(reader.get_range(&key("a/c"), 0..1), Err(Error::NotARepository { .. })));
    assert!(matches!(reader.open_seekable(&key("a/c")), Err(Error::NotARepository { .. })));
    assert!(matches!(reader.list("c/"), Err(Error::NotARepository { .. })));
    assert!(matches!(create(&repository, "a/d"), Err(Error::NotARepository { .. })));
    assert!(matches!(repository.creator().persist(&key("a/b")), Err(Error::NotARepository { .. })));

    let text = fs::read_to_string(&hidden).unwrap().replace(repository.id(), &"1".repeat(32));
    fs::write(&marker, text).unwrap();
    assert!(matches!(reader.find(&key("a/c")), Err(Error::OtherRepository { .. })));
    assert!(matches!(create(&repository, "a/d"), Err(Error::OtherRepository { .. })));
    fs::rename(&hidden, &marker).unwrap();
    create(&repository, "a/d").unwrap();
    assert!(matches!(create(&repository, "a/d"), Err(Error::AlreadyExists { .. })));
}

#[test]
fn an_unmounted_disk_takes_no_write() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("mounted");
    let repository = Repository::create(&url(&root), Encryption::None).unwrap();
    // The directory below the mount point, empty, shows again.
    fs::rename(&root, parent.path().join("unmounted")).unwrap();
    fs::create_dir(&root).unwrap();
    assert!(matches!(create(&repository, "a"), Err(Error::NotARepository { .. })));
    assert!(matches!(Repository::open(&url(&root), None), Err(Error::NotARepository { .. })));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

#[test]
fn newer_and_broken_markers_are_told_apart() {
    let parent = tempfile::tempdir().unwrap();
    let marker = parent.path().join("pgcairn.json");
    let open = || Repository::open(&url(parent.path()), None);
    fs::write(&marker, r#"{"format":3,"minimum_reader":2,"of":"another shape"}"#).unwrap();
    assert!(matches!(open(), Err(Error::TooNew { found: 2, supported: 1, .. })));
    fs::write(&marker, "").unwrap();
    assert!(matches!(open(), Err(Error::Marker { .. })));
}

/// Overwrites, as some object stores do whatever is asked of them.
#[derive(Debug, Default)]
struct Overwriting(Memory, Mutex<()>);

impl Layer for Overwriting {
    fn below(&self) -> &dyn Backend {
        &self.0
    }

    fn run<T>(&self, operation: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        let _one = self.1.lock().unwrap();
        if operation == "create" {
            let _ = self.0.delete(&key(name));
        }
        call(self.below())
    }
}

#[test]
fn a_store_that_overwrites_is_refused() {
    let result = Repository::create_on(Arc::new(On(Overwriting::default())), Encryption::Age);
    assert!(matches!(result, Err(Error::NotCreateOnly { winners: PROBES, of: PROBES, .. })));
}

#[test]
fn every_call_is_accounted_for() {
    let counting = Counting::new(Arc::new(Memory::default()));
    let repository = Repository::create_on(counting.clone(), Encryption::Age).unwrap();
    assert_eq!(counting.take().len(), 1 + PROBES + 1);
    assert!(Repository::create_on(counting.clone(), Encryption::Age).is_err());
    assert_eq!(counting.take(), ["stat pgcairn.json"]);
    let reader = repository.reader();
    create(&repository, "a").unwrap();
    assert_eq!(counting.take(), ["get_range pgcairn.json", "create a"]);
    reader.get(&key("a")).unwrap();
    reader.list("").unwrap();
    assert_eq!(counting.take(), ["get a", "list "]);
    reader.find(&key("b")).unwrap();
    assert_eq!(counting.take(), ["get b", "get_range pgcairn.json"]);
}

#[test]
fn no_failure_is_taken_for_absence() {
    for when in [When::Before, When::After] {
        for at in 0.. {
            let memory = Arc::new(Memory::default());
            Repository::create_on(memory.clone(), Encryption::Age).unwrap();
            let faulty = Faulty::new(memory, at, when);
            let found = Repository::open_on(faulty.clone(), None).and_then(|r| r.reader().find(&key("b")));
            match found {
                Ok(found) => {
                    assert!(found.is_none() && faulty.calls() <= at);
                    break;
                }
                Err(error) => assert!(matches!(error, Error::Unreachable { .. }), "{at}: {error}"),
            }
        }
    }
}

#[test]
fn a_lost_answer_leaves_the_object_for_the_next_try() {
    let parent = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalBackend::create_root(parent.path()).unwrap());
    let repository = Repository::create_on(local.clone(), Encryption::Age).unwrap();
    let faulty = Repository::open_on(Faulty::new(local, 2, When::After), None).unwrap();
    assert!(matches!(create(&faulty, "a"), Err(Error::Unreachable { .. })));
    assert!(matches!(create(&repository, "a"), Err(Error::AlreadyExists { .. })));
    repository.creator().persist(&key("a")).unwrap();
}
