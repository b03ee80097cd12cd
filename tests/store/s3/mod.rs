//! The store on S3: the suite against two servers, faults on the way, and the price of every operation in requests.

mod bucket;
mod faults;
mod lock;
mod moto;
pub mod moto_server;
mod reach;
mod requests;
mod secrets;
pub mod server;
mod signal;
mod versions;

use std::sync::Arc;

use pgcairn::model::key::Encryption;
use pgcairn::store::{Error, PROBES, Repository, S3Backend};

use super::suite;
use server::{BUCKET, Fault, S3Server, hasty};

/// Small, so that a listing has several.
const PAGE: usize = 3;

#[test]
fn s3s_fs_conforms() {
    let server = S3Server::start();
    suite::conformance(server.backend(""));
}

#[test]
fn a_part_of_a_bucket_conforms_and_sees_nothing_else() {
    let server = S3Server::start();
    let backend = S3Backend::open_with(&server.settings("some/where"), hasty(), Some(PAGE)).unwrap();
    let whole = server.backend("");
    for name in ["some/where-else", "some/wher", "other"] {
        suite::put(whole.as_ref(), name, b"not ours").unwrap();
    }
    suite::conformance(Arc::new(backend));
}

#[test]
fn a_repository_is_made_once_and_inspected() {
    let server = S3Server::start();
    let repository = Repository::create_on(server.backend("pg"), Encryption::Age).unwrap();
    assert_eq!(repository.url(), format!("s3://{BUCKET}/pg"));
    assert!(matches!(Repository::create_on(server.backend("pg"), Encryption::Age), Err(Error::AlreadyExists { .. })));
    assert_eq!(Repository::open_on(server.backend("pg"), Some(repository.id())).unwrap().id(), repository.id());
    assert!(matches!(repository.create_again(), Err(Error::AlreadyExists { .. })));

    let found = repository.inspect().unwrap().unwrap();
    assert_eq!((found.winners, found.ranges, found.checksums, found.deletes), (1, true, true, true));
    assert!(found.clock_ahead.is_some_and(|ahead| ahead.as_secs().abs() <= 2), "{found:?}");
    assert_eq!(repository.reader().list("").unwrap().len(), 1, "what was made for it is gone");

    // Credentials that may not delete are good ones.
    server.deny("DELETE");
    assert!(!repository.inspect().unwrap().unwrap().deletes);
    assert_eq!(repository.reader().list("runs/probe-").unwrap().len(), 1);
    server.clear();
}

#[test]
fn a_store_that_overwrites_is_found_out() {
    let server = S3Server::start();
    // It does as it is told, and says so to everybody.
    server.ambush("PUT", "pgcairn.json", &[Fault::Pretended; PROBES]);
    let refused = Repository::create_on(server.backend("pg"), Encryption::Age);
    assert!(matches!(refused, Err(Error::NotCreateOnly { winners: PROBES, of: PROBES, .. })), "{refused:?}");
}

#[test]
fn what_is_no_repository_is_told_apart() {
    let server = S3Server::start();
    let open = |settings| Repository::open_on(Arc::new(S3Backend::open_with(&settings, hasty(), None).unwrap()), None);
    let mut settings = server.settings("pg");
    assert!(matches!(open(settings.clone()), Err(Error::NotARepository { reason, .. }) if reason.contains("marker")));
    settings.bucket = "absent".to_owned();
    assert!(matches!(open(settings.clone()), Err(Error::NotARepository { reason, .. }) if reason.contains("bucket")));
    settings.endpoint = Some("http://127.0.0.1:1".to_owned());
    assert!(matches!(open(settings), Err(Error::Unreachable { .. })));
}
