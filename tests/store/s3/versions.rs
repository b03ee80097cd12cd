//! The oldest version of every object: as it was before somebody overwrote and deleted everything.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use pgcairn::model::key::{Encryption, Key};
use pgcairn::store::{Backend, Error, Patience, Repository, S3Backend, S3Settings};

use super::super::suite;
use super::PAGE;
use super::moto_server::Moto;
use super::server::{S3Server, hasty};

const NAMES: [&str; 6] = ["a", "a.b", "a/1", "a/2", "b/c/d", "b/e"];

fn content(name: &str) -> Vec<u8> {
    format!("what {name} was").repeat(20_000).into_bytes()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Overwrites and deletes in every order, as whoever may put and delete can.
fn attack(moto: &Moto, bucket: &str) {
    for name in NAMES.iter().chain(&["pgcairn.json"]) {
        let put = |content: &str| moto.say(&format!("PUT /{bucket}/pg/{name}"), "", content).unwrap();
        let delete = || moto.say(&format!("DELETE /{bucket}/pg/{name}"), "", "").unwrap();
        put("overwritten");
        delete();
        put("and again");
        put("and again and again");
        if *name != "a/1" {
            delete();
        }
    }
    // A name that never was ours.
    moto.say(&format!("PUT /{bucket}/pg/a/b+c%20d"), "", "junk").unwrap();
}

#[test]
fn what_was_overwritten_and_deleted_is_read_as_it_was() {
    let Some(moto) = Moto::start(None) else { return };
    let directory = tempfile::tempdir().unwrap();
    moto.say("PUT /kept", "", "").unwrap();
    moto.versions("kept", "Enabled");
    let settings = |oldest_versions| S3Settings { oldest_versions, ..moto.settings(directory.path(), "kept", "pg") };
    let open = |oldest, page| Arc::new(S3Backend::open_with(&settings(oldest), Patience::default(), page).unwrap());
    let id = Repository::create_on(open(false, None), Encryption::Age).unwrap().id().to_owned();
    for name in NAMES {
        suite::put(open(false, None).as_ref(), name, &content(name)).unwrap();
    }
    let before = open(false, None).list("").unwrap();
    let parts = open(false, None).children("").unwrap();
    attack(&moto, "kept");
    assert!(Repository::open_on(open(false, None), None).is_err(), "nothing is there as it was");

    for page in [None, Some(1), Some(PAGE)] {
        let oldest = open(true, page);
        let repository = Repository::open_on(oldest.clone(), Some(&id)).unwrap();
        let reader = repository.reader();
        for name in NAMES {
            assert_eq!(oldest.stat(&key(name)).unwrap().size, content(name).len() as u64);
            let mut read = Vec::new();
            reader.get(&key(name)).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, content(name), "{name}");
            assert_eq!(reader.get_range(&key(name), 5..25).unwrap(), content(name)[5..25]);
            let mut parts = reader.open_seekable(&key(name)).unwrap();
            parts.seek(SeekFrom::End(-9)).unwrap();
            read.clear();
            parts.read_to_end(&mut read).unwrap();
            assert_eq!(read, content(name)[content(name).len() - 9..]);
        }
        assert_eq!(reader.list("").unwrap(), before);
        let names = |entries: Vec<pgcairn::store::Entry>| -> Vec<String> {
            entries.into_iter().map(|entry| entry.key.to_string()).collect()
        };
        assert_eq!(names(reader.list("a/").unwrap()), ["a/1", "a/2"]);
        assert_eq!(
            (reader.children("").unwrap(), reader.children("b").unwrap()),
            (parts.clone(), vec!["c".to_owned()])
        );
        assert!(matches!(reader.stat(&key("absent")), Err(Error::NotFound { .. })));
        assert!(matches!(reader.find(&key("a/3")), Ok(None)));

        // What was is not added to.
        let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::ReadOnly { .. })), "{result:?}");
        refused(suite::put(oldest.as_ref(), "new", b"content"));
        refused(oldest.delete(&key("a")));
        refused(oldest.hold(&[key("a")], true).map(drop));
        refused(oldest.inspect().map(drop));
    }
}

/// Versions may have been enabled later, or never: then the only one is the oldest.
#[test]
fn objects_from_before_there_were_versions_are_found() {
    let Some(moto) = Moto::start(None) else { return };
    let directory = tempfile::tempdir().unwrap();
    moto.say("PUT /late", "", "").unwrap();
    let settings = |oldest_versions| S3Settings { oldest_versions, ..moto.settings(directory.path(), "late", "pg") };
    let open = |oldest| Arc::new(S3Backend::open_with(&settings(oldest), Patience::default(), None).unwrap());
    suite::put(open(false).as_ref(), "a", b"early").unwrap();
    assert_eq!(open(true).get_range(&key("a"), 0..99).unwrap(), b"early");
    moto.versions("late", "Enabled");
    moto.say("PUT /late/pg/a", "", "overwritten").unwrap();
    assert_eq!(open(true).get_range(&key("a"), 0..99).unwrap(), b"early");
}

#[test]
fn a_store_without_the_listing_says_so() {
    let server = S3Server::start();
    suite::put(server.backend("pg").as_ref(), "a", b"content").unwrap();
    let settings = S3Settings { oldest_versions: true, ..server.settings("pg") };
    let oldest = S3Backend::open_with(&settings, hasty(), None).unwrap();
    let refused = oldest.list("").unwrap_err();
    assert!(matches!(refused, Error::NoVersions { .. }) && refused.to_string().contains("501"), "{refused}");
    assert!(oldest.stat(&key("a")).is_err_and(|error| !error.is_not_found()));
}
