//! Every way in which an answer can go wrong, at every operation: the right result, or the right kind of error.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use pgcairn::model::key::Encryption;
use pgcairn::store::{
    Backend, Error, LockMode, MAX_BUFFERED, MAX_OBJECT, ObjectLock, Patience, Repository, S3Backend, S3Settings,
};

use super::super::suite::{exists_already, is_missing, key, put, read};
use super::server::{Fault, S3Server, hasty};

/// Faults that pass when it is asked again.
const PASSING: [Fault; 7] = [
    Fault::Refuse(503, "SlowDown"),
    Fault::Refuse(500, "InternalError"),
    Fault::Refuse(429, "TooManyRequests"),
    Fault::Refuse(400, "RequestTimeout"),
    Fault::Closed,
    Fault::Silent,
    Fault::AnswerLost,
];

/// More than any client asks.
const ALWAYS: usize = 40;

#[test]
fn what_passes_is_asked_again() {
    let server = S3Server::start();
    let store = server.backend("pg");
    for (number, fault) in PASSING.into_iter().enumerate() {
        let name = format!("passing/{number}");
        let trap = |method| server.ambush(method, &format!("{number}"), &[fault]);
        let body = vec![number as u8; 300_000];
        trap("PUT");
        put(store.as_ref(), &name, &body).unwrap();
        trap("GET");
        assert_eq!(read(store.as_ref(), &name).unwrap(), body, "{fault:?}");
        trap("GET");
        assert_eq!(store.get_range(&key(&name), 5..9).unwrap(), body[5..9], "{fault:?}");
        // An answer to HEAD has no code to tell one 400 from another.
        if fault != Fault::Refuse(400, "RequestTimeout") {
            trap("HEAD");
        }
        assert_eq!(store.stat(&key(&name)).unwrap().size, 300_000, "{fault:?}");
        server.ambush("GET", "list-type", &[fault]);
        assert_eq!(store.list(&name).unwrap().len(), 1, "{fault:?}");
        server.clear();
    }
}

#[test]
fn a_create_whose_answer_was_lost_is_known_by_its_content() {
    let server = S3Server::start();
    let store = server.backend("pg");
    for (number, fault) in [Fault::AnswerLost, Fault::DoneBut(500), Fault::DoneBut(503)].into_iter().enumerate() {
        let name = format!("lost/{number}");
        server.ambush("PUT", &name, &[fault]);
        put(store.as_ref(), &name, b"mine").unwrap();
        assert_eq!(read(store.as_ref(), &name).unwrap(), b"mine");

        // Another made it meanwhile: as long, or shorter.
        for theirs in [&b"hers"[..], b"her", b"", b"mine and more"] {
            store.delete(&key(&name)).unwrap();
            put(store.as_ref(), &name, theirs).unwrap();
            server.ambush("PUT", &name, &[Fault::Closed]);
            assert!(exists_already(&put(store.as_ref(), &name, b"mine"), &name), "{fault:?}");
            assert_eq!(read(store.as_ref(), &name).unwrap(), theirs);
        }
    }
    // The same content of another writer is no success where no answer was lost.
    put(store.as_ref(), "same", b"mine").unwrap();
    assert!(exists_already(&put(store.as_ref(), "same", b"mine"), "same"));
}

/// What was deleted is not deleted again: somebody may have created it anew since.
#[test]
fn a_delete_whose_answer_was_lost_is_not_repeated() {
    let server = S3Server::start();
    let store = server.backend("pg");
    for (fault, requests) in [
        (Fault::AnswerLost, &["HEAD", "DELETE", "HEAD"][..]),
        (Fault::Refuse(503, "SlowDown"), &["HEAD", "DELETE", "HEAD", "DELETE"]),
    ] {
        put(store.as_ref(), "deleted", b"x").unwrap();
        server.take();
        server.ambush("DELETE", "deleted", &[fault]);
        store.delete(&key("deleted")).unwrap();
        assert!(is_missing(store.stat(&key("deleted")), "deleted"), "{fault:?}");
        let asked = server.take();
        let methods: Vec<&str> = asked.iter().filter_map(|request| request.split(' ').next()).collect();
        assert_eq!(methods[..requests.len()], *requests, "{fault:?}: {asked:?}");
    }
}

#[test]
fn conflicts_of_creates_are_tried_again() {
    let server = S3Server::start();
    let store = server.backend("pg");
    let conflict = Fault::Refuse(409, "ConditionalRequestConflict");
    server.ambush("PUT", "new", &[conflict, conflict]);
    put(store.as_ref(), "new", b"a").unwrap();
    assert_eq!(read(store.as_ref(), "new").unwrap(), b"a");
    server.ambush("PUT", "new", &[conflict; ALWAYS]);
    assert!(exists_already(&put(store.as_ref(), "new", b"a"), "new"));
    server.ambush("PUT", "never", &[conflict; ALWAYS]);
    let failed = put(store.as_ref(), "never", b"a");
    assert!(matches!(failed, Err(Error::Unreachable { .. })), "{failed:?}");
}

#[test]
fn a_body_that_is_cut_goes_on_where_it_was() {
    let server = S3Server::start();
    let store = server.backend("pg");
    let body: Vec<u8> = (0..3_000_000).map(|i| (i % 251) as u8).collect();
    put(store.as_ref(), "body", &body).unwrap();
    server.take();
    server.ambush("GET", "body", &[Fault::BodyCut, Fault::BodyCut]);
    assert_eq!(read(store.as_ref(), "body").unwrap(), body);
    assert_eq!(server.take().len(), 3);
    server.ambush("GET", "body", &[Fault::BodyCut]);
    assert_eq!(store.get_range(&key("body"), 100..200_000).unwrap(), body[100..200_000]);
    let mut opened = store.open(&key("body")).unwrap();
    server.ambush("GET", "body", &[Fault::BodyCut]);
    opened.seek(SeekFrom::Start(2_000_000)).unwrap();
    let mut part = vec![0; 600_000];
    opened.read_exact(&mut part).unwrap();
    assert_eq!(part, body[2_000_000..2_600_000]);

    server.ambush("GET", "body", &[Fault::BodyCut; ALWAYS]);
    let mut stream = store.get(&key("body")).unwrap();
    let mut some = Vec::new();
    assert!(stream.read_to_end(&mut some).is_err(), "the end of what came is not the end of the object");
    assert!(some.len() < body.len() && body.starts_with(&some));
}

/// What comes renews the patience, in number and in time: a large object may take as long as it takes.
#[test]
fn a_body_that_comes_piece_by_piece_is_read_to_its_end() {
    let server = S3Server::start();
    let patience = Patience { attempts: 2, total: Duration::from_millis(300), ..hasty() };
    let store = S3Backend::open_with(&server.settings("pg"), patience, None).unwrap();
    let body: Vec<u8> = (0..16_000_000).map(|i| (i % 251) as u8).collect();
    put(&store, "body", &body).unwrap();
    server.take();
    server.ambush("GET", "body", &[Fault::BodyCut; 3]);
    let mut stream = store.get(&key("body")).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).unwrap();
    assert_eq!(whole, body);
    assert!(server.take().len() >= 4, "it was cut three times");
}

#[test]
fn an_object_that_became_another_is_not_read_on() {
    let server = S3Server::start();
    let store = server.backend("pg");
    put(store.as_ref(), "body", &vec![1; 3_000_000]).unwrap();
    server.ambush("GET", "body", &[Fault::BodyCut]);
    let mut stream = store.get(&key("body")).unwrap();
    store.delete(&key("body")).unwrap();
    put(store.as_ref(), "body", &vec![2; 3_000_000]).unwrap();
    let mut read = Vec::new();
    let result = stream.read_to_end(&mut read);
    assert!(result.is_err() || read.iter().all(|byte| *byte == 1), "two objects in one");
}

#[test]
fn errors_keep_their_kind() {
    let server = S3Server::start();
    let impatient = Patience { attempts: 2, answer: Duration::from_millis(500), ..hasty() };
    let store: Arc<dyn Backend> = Arc::new(S3Backend::open_with(&server.settings("pg"), impatient, None).unwrap());
    put(store.as_ref(), "there", b"1").unwrap();
    type Check = fn(&Error) -> bool;
    let kinds: [(Fault, Check); 9] = [
        (Fault::Refuse(403, "AccessDenied"), |e| matches!(e, Error::Permission { .. })),
        (Fault::Refuse(403, "InvalidAccessKeyId"), |e| matches!(e, Error::Permission { .. })),
        (Fault::Refuse(401, ""), |e| matches!(e, Error::Permission { .. })),
        (Fault::Refuse(301, "PermanentRedirect"), |e| matches!(e, Error::OtherRegion { .. })),
        (Fault::Refuse(507, "XMinioStorageFull"), |e| matches!(e, Error::NoSpace { .. })),
        (Fault::Refuse(503, "SlowDown"), |e| matches!(e, Error::Unreachable { .. })),
        (Fault::Closed, |e| matches!(e, Error::Unreachable { .. })),
        (Fault::Silent, |e| matches!(e, Error::Unreachable { .. })),
        (Fault::Refuse(400, "InvalidArgument"), |e| matches!(e, Error::Io { .. })),
    ];
    for (fault, is_right) in kinds {
        for method in ["PUT", "GET", "HEAD"] {
            server.ambush(method, "", &[fault; ALWAYS]);
        }
        let right = |result: Option<Error>| result.is_some_and(|error| is_right(&error));
        assert!(right(put(store.as_ref(), "new", b"2").err()), "{fault:?}");
        assert!(right(store.get(&key("there")).err()), "{fault:?}");
        assert!(right(store.get_range(&key("there"), 0..1).err()), "{fault:?}");
        assert!(right(store.open(&key("there")).err()), "{fault:?}");
        assert!(right(store.stat(&key("there")).err()), "{fault:?}");
        assert!(right(store.list("").err()), "{fault:?}");
        assert!(right(store.children("").err()), "{fault:?}");
        server.clear();
    }
}

#[test]
fn a_missing_bucket_is_no_missing_object() {
    let server = S3Server::start();
    let repository = Repository::create_on(server.backend("pg"), Encryption::None).unwrap();
    let store = server.backend("pg");
    server.ambush("GET", "", &[Fault::Refuse(404, "NoSuchBucket"); ALWAYS]);
    assert!(matches!(store.get(&key("a")), Err(Error::NotARepository { .. })));
    assert!(matches!(store.list(""), Err(Error::NotARepository { .. })));
    // An answer to HEAD has no code: what it misses is proven by the marker.
    assert!(is_missing(store.stat(&key("a")), "a"));
    assert!(matches!(repository.reader().stat(&key("a")), Err(Error::NotARepository { .. })));
    server.clear();
    server.ambush("GET", "pgcairn.json", &[Fault::Refuse(403, "AccessDenied"); ALWAYS]);
    assert!(matches!(repository.reader().find(&key("a")), Err(Error::Permission { .. })), "403 proves nothing");
}

#[test]
fn a_body_that_its_checksum_does_not_fit_is_sent_again() {
    let server = S3Server::start();
    let store = server.backend("pg");
    server.ambush("PUT", "pg/a", &[Fault::Refuse(400, "BadDigest")]);
    put(store.as_ref(), "a", b"1").unwrap();
    server.ambush("PUT", "pg/b", &[Fault::Refuse(400, "BadDigest"); ALWAYS]);
    assert!(matches!(put(store.as_ref(), "b", b"1"), Err(Error::Io { .. })));
    assert!(is_missing(store.stat(&key("b")), "b"));
}

/// Says that it is large, and is not read.
struct TooLarge(u64);

impl Read for TooLarge {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("it is refused before it is read"))
    }
}

impl Seek for TooLarge {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0 = if let SeekFrom::End(0) = to { MAX_OBJECT + 1 } else { 0 };
        Ok(self.0)
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() {
    let server = S3Server::start();
    let store = server.backend("pg");
    let refused = store.create(&key("large"), &mut TooLarge(0));
    assert!(matches!(refused, Err(Error::TooLarge { limit: MAX_OBJECT, .. })), "{refused:?}");
    assert_eq!(server.take(), [""; 0]);
}

/// Larger than a buffer: read from where it stands, and again for every attempt.
#[test]
fn a_large_object_is_streamed() {
    let server = S3Server::start();
    let patience = Patience { answer: Duration::from_secs(20), ..hasty() };
    let lock = Some(ObjectLock { mode: LockMode::Governance, period: Duration::from_secs(86400) });
    let settings = S3Settings { lock, storage_class: Some("STANDARD".to_owned()), ..server.settings("pg") };
    let store = S3Backend::open_with(&settings, patience, None).unwrap();
    let body: Vec<u8> = (0..MAX_BUFFERED + 12_345).map(|i| (i % 251) as u8).collect();
    let create = |name: &str| {
        let mut behind = Cursor::new([b"not this", &body[..]].concat());
        behind.set_position(8);
        store.create(&key(name), &mut behind)
    };
    server.ambush("PUT", "once", &[Fault::Refuse(503, "SlowDown")]);
    create("once").unwrap();
    assert_eq!(read(&store, "once").unwrap(), body);
    assert_eq!(server.sizes().iter().max(), Some(&(body.len() as u64)));
    let expected = ["x-amz-checksum-sha256", "x-amz-object-lock-mode", "x-amz-storage-class"];
    assert!(expected.iter().all(|name| server.header(name).is_some()), "as every other object is created");

    server.ambush("PUT", "lost", &[Fault::AnswerLost]);
    create("lost").unwrap();
    put(&store, "theirs", b"another").unwrap();
    assert!(exists_already(&create("theirs"), "theirs"));
    server.ambush("PUT", "theirs", &[Fault::Closed]);
    assert!(exists_already(&create("theirs"), "theirs"));
    server.permit(|action| action != "s3:PutObject");
    // Who refuses without reading may close the connection before the refusal is heard.
    assert!(matches!(create("denied"), Err(Error::Permission { .. } | Error::Unreachable { .. })));
}
