//! The suite against moto.

use std::sync::Arc;

use pgcairn::model::key::Encryption;
use pgcairn::store::{Backend, Credentials, Error, Patience, Repository, S3Backend, S3Settings};

use super::super::suite;
use super::PAGE;
use super::moto_server::Moto;
use super::server::{self, BUCKET, SECRET_KEY, hasty};

#[test]
fn moto_conforms() {
    let Some(moto) = Moto::start(None) else { return };
    let directory = tempfile::tempdir().unwrap();
    let backend = |prefix: &str, page| {
        let settings = moto.settings(directory.path(), BUCKET, prefix);
        Arc::new(S3Backend::open_with(&settings, Patience::default(), page).unwrap())
    };
    suite::conformance(backend("", None));
    suite::conformance(backend("some/where", Some(PAGE)));

    let repository = Repository::create_on(backend("pg", None), Encryption::Age).unwrap();
    let found = repository.inspect().unwrap().unwrap();
    assert_eq!((found.winners, found.ranges, found.deletes), (1, true, true));
    // docs/providers.md says so; when it learns to, the page has to.
    assert!(!found.checksums, "moto refuses a body that its checksum does not fit");
}

/// Over TLS, with an authority of one's own.
#[test]
fn only_the_configured_authority_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let Some(moto) = Moto::start(Some(directory.path())) else { return };
    let settings = |ca: Option<&str>| S3Settings {
        bucket: BUCKET.to_owned(),
        endpoint: Some(format!("https://127.0.0.1:{}", moto.port)),
        ca_file: ca.map(|file| directory.path().join(file)),
        credentials: Credentials::File { path: server::credentials(directory.path(), SECRET_KEY), profile: None },
        ..S3Settings::default()
    };
    let store = |ca| S3Backend::open_with(&settings(ca), hasty(), None).unwrap();
    // There is no bucket: the answer shows that the request arrived.
    assert!(matches!(store(Some("ca.pem")).list(""), Err(Error::NotARepository { .. })));
    let refused = store(None).list("");
    assert!(matches!(refused, Err(Error::Unreachable { .. })), "{refused:?}");

    let plain = format!("http://127.0.0.1:{}", moto.port);
    let refused = S3Backend::open_with(&S3Settings { endpoint: Some(plain), ..settings(None) }, hasty(), None);
    assert!(matches!(refused.unwrap().list(""), Err(Error::Unreachable { .. })));
}
