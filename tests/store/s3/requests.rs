//! What each operation asks of the store, counted where it is paid for.

use std::io::Cursor;

use pgcairn::model::key::Encryption;
use pgcairn::store::{Backend, PROBES, Repository};

use super::super::suite::{key, put, read};
use super::server::S3Server;

#[test]
fn one_request_for_each_object() {
    let server = S3Server::start();
    let store = server.backend("pg");
    let taken = || server.take();
    put(store.as_ref(), "a", &vec![1; 5 << 20]).unwrap();
    assert_eq!(taken(), ["PUT backups/pg/a"]);
    put(store.as_ref(), "a", b"another").unwrap_err();
    assert_eq!(taken(), ["PUT backups/pg/a"]);
    read(store.as_ref(), "a").unwrap();
    assert_eq!(taken(), ["GET backups/pg/a"]);
    store.get_range(&key("a"), 0..10).unwrap();
    assert_eq!(taken(), ["GET backups/pg/a"]);
    store.open(&key("a")).unwrap();
    assert_eq!(taken(), ["GET backups/pg/a"]);
    store.persist(&key("a")).unwrap();
    assert_eq!(taken(), ["HEAD backups/pg/a"]);
    store.list("a").unwrap();
    assert_eq!(taken(), ["GET backups?list-type=2&prefix=pg%2Fa"]);
}

#[test]
fn a_whole_object_read_in_parts_costs_few_requests() {
    let server = S3Server::start();
    let store = server.backend("pg");
    let body: Vec<u8> = (0..20 << 20).map(|i: u32| (i % 253) as u8).collect();
    put(store.as_ref(), "a", &body).unwrap();
    server.take();
    let mut found = Vec::new();
    std::io::Read::read_to_end(&mut store.open(&key("a")).unwrap(), &mut found).unwrap();
    assert_eq!(found, body);
    assert!(server.take().len() <= 10);
}

#[test]
fn a_repository_asks_for_its_marker_and_no_listing() {
    let server = S3Server::start();
    let repository = Repository::create_on(server.backend("pg"), Encryption::Age).unwrap();
    let requests = server.take();
    let count = |method: &str| requests.iter().filter(|request| request.starts_with(method)).count();
    assert_eq!((count("HEAD "), count("PUT "), count("GET ")), (1, PROBES, 1));
    repository.creator().create(&key("a"), &mut Cursor::new(b"1")).unwrap();
    assert_eq!(server.take(), ["PUT backups/pg/a"], "it was seen a moment ago");
    repository.reader().find(&key("b")).unwrap();
    assert_eq!(server.take(), ["GET backups/pg/b", "GET backups/pg/pgcairn.json"]);
}
