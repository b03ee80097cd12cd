//! Object Lock: what was created under it cannot be deleted, by whoever holds the access key.

use std::io::Cursor;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pgcairn::model::key::{Encryption, Key};
use pgcairn::store::{Backend, Error, LockMode, ObjectLock, Patience, Repository, S3Backend, S3Settings};

use super::super::suite;
use super::moto_server::Moto;
use super::server::{Fault, S3Server, hasty};

const LOCK: ObjectLock = ObjectLock { mode: LockMode::Compliance, period: Duration::from_secs(45 * 86400) };

/// The value of a header in an answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[test]
fn every_object_is_created_under_the_lock() {
    let server = S3Server::start();
    let settings = S3Settings { lock: Some(LOCK), storage_class: Some("STANDARD".to_owned()), ..server.settings("pg") };
    let store = S3Backend::open_with(&settings, hasty(), None).unwrap();
    // The signature covers what was added, or this server would refuse it.
    suite::put(&store, "a", b"content").unwrap();
    let until: Timestamp = server.header("x-amz-object-lock-retain-until-date").unwrap().parse().unwrap();
    let wanted = Timestamp::now() + SignedDuration::from_hours(45 * 24);
    assert!(until.duration_since(wanted).abs() < SignedDuration::from_mins(1), "{until}");
    assert_eq!(server.header("x-amz-object-lock-mode").as_deref(), Some("COMPLIANCE"));
    assert_eq!(server.header("x-amz-storage-class").as_deref(), Some("STANDARD"));
    assert!(server.header("x-amz-checksum-sha256").is_some());
    assert_eq!(store.get_range(&Key::new("a").unwrap(), 0..100).unwrap(), b"content");
    assert!(suite::put(&store, "a", b"other").is_err(), "it stays create-only");

    // What is made to try a store must be deletable again.
    let before = server.take().len();
    assert!(before > 0);
    store.inspect().unwrap();
    assert_eq!(server.header("x-amz-object-lock-mode"), None);
}

#[test]
fn holds_are_put_on_what_is_there() {
    let server = S3Server::start();
    let settings = S3Settings { lock: Some(LOCK), ..server.settings("pg") };
    let store = S3Backend::open_with(&settings, hasty(), None).unwrap();
    let keys: Vec<Key> = (0..40).map(|number| Key::new(format!("a/{number}")).unwrap()).collect();
    let mut answers = vec![Fault::Pretended; 40];
    (answers[7], answers[20]) = (Fault::Refuse(404, "NoSuchKey"), Fault::Refuse(503, "SlowDown"));
    answers.push(Fault::Pretended);
    server.ambush("PUT", "legal-hold", &answers);
    assert!(store.hold(&keys, true).unwrap());
    let (holds, versions): (Vec<_>, Vec<_>) =
        server.take().into_iter().partition(|request| request.contains("legal-hold"));
    assert_eq!((holds.len(), versions.len()), (41, 39), "one for each, and one again; what is there may have versions");
    server.clear();
    server.permit(|action| action != "s3:PutObjectLegalHold");
    assert!(matches!(store.hold(&keys, true), Err(Error::Permission { .. })));
}

#[test]
fn what_is_locked_or_held_is_not_deleted() {
    let Some(moto) = Moto::start(None) else { return };
    moto.locking_bucket("locking");
    let directory = tempfile::tempdir().unwrap();
    let settings = |lock| S3Settings { lock, ..moto.settings(directory.path(), "locking", "pg") };
    let store = |lock| S3Backend::open_with(&settings(lock), Patience::default(), None).unwrap();
    let version = |name: &str| {
        let head = moto.say(&format!("HEAD /locking/pg/{name}"), "", "").unwrap();
        (header(&head, "x-amz-version-id").unwrap().to_owned(), head)
    };
    let delete =
        |name: &str, version: &str| moto.say(&format!("DELETE /locking/pg/{name}?versionId={version}"), "", "");
    let locking = store(Some(LOCK));
    suite::put(&locking, "locked", b"content").unwrap();
    let (locked, head) = version("locked");
    assert_eq!(header(&head, "x-amz-object-lock-mode"), Some("COMPLIANCE"));
    let refused = delete("locked", &locked).unwrap_err();
    assert!(refused.contains("403") && refused.contains("AccessDenied"), "{refused}");

    // A hold alone, and only as long as it is there.
    let plain = store(None);
    suite::put(&plain, "held", b"content").unwrap();
    let held = version("held").0;
    let key = [Key::new("held").unwrap()];
    assert!(!plain.hold(&key, true).unwrap(), "only where locks are configured");
    assert!(locking.hold(&key, true).unwrap());
    assert!(delete("held", &held).is_err());
    assert!(locking.hold(&key, false).unwrap());
    delete("held", &held).unwrap();

    // What somebody wrote over it hides the version that must last.
    suite::put(&plain, "hidden", b"content").unwrap();
    let hidden = version("hidden").0;
    moto.say("PUT /locking/pg/hidden", "", "other").unwrap();
    let key = [Key::new("hidden").unwrap()];
    assert!(locking.hold(&key, true).unwrap());
    assert!(delete("hidden", &hidden).is_err());
    assert!(locking.hold(&key, false).unwrap());
    delete("hidden", &hidden).unwrap();

    let repository = Repository::create_on(std::sync::Arc::new(locking), Encryption::Age).unwrap();
    let (marker, _) = version("pgcairn.json");
    assert!(delete("pgcairn.json", &marker).is_err());
    let key = Key::new("runs/a").unwrap();
    repository.creator().create(&key, &mut Cursor::new(b"content")).unwrap();
    assert!(delete("runs/a", &version("runs/a").0).is_err());
    // `check` tries the store, and leaves nothing locked behind.
    let found = repository.inspect().unwrap().unwrap();
    assert!(found.deletes && found.winners == 1, "{found:?}");
}
