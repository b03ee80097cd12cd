//! Neither key nor secret shows, whatever goes wrong.

use std::sync::Arc;

use pgcairn::store::{Backend, Credentials, Error, Repository, S3Backend, S3Settings};

use super::super::suite::{key, put};
use super::server::{self, ACCESS_KEY, Fault, S3Server, SECRET_KEY, hasty};

fn shows_nothing(text: &str) {
    for secret in [ACCESS_KEY, SECRET_KEY] {
        assert!(!text.contains(secret), "{text}");
    }
}

fn all_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    text
}

#[test]
fn no_error_and_no_debug_tells_a_key() {
    let server = S3Server::start();
    let store = server.backend("pg");
    shows_nothing(&format!("{store:?} {:?}", server.settings("pg")));
    let faults = [
        Fault::Refuse(403, "SignatureDoesNotMatch"),
        Fault::Refuse(403, SECRET_KEY),
        Fault::Refuse(400, "InvalidArgument"),
        Fault::Refuse(500, "InternalError"),
        Fault::Refuse(404, "NoSuchBucket"),
        Fault::Closed,
    ];
    for fault in faults {
        for method in ["PUT", "GET", "HEAD"] {
            server.ambush(method, "", &[fault; 40]);
        }
        let errors = [
            put(store.as_ref(), "a", b"1").err(),
            store.get(&key("a")).err(),
            store.stat(&key("a")).err(),
            store.list("").err(),
            Repository::open_on(store.clone(), None).err(),
        ];
        errors.iter().flatten().for_each(|error| shows_nothing(&all_of(error)));
        server.clear();
    }
}

#[test]
fn a_wrong_secret_is_a_matter_of_permission() {
    let server = S3Server::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = server::credentials(elsewhere.path(), "another-secret");
    let settings = S3Settings { credentials: Credentials::File { path, profile: None }, ..server.settings("pg") };
    let store = S3Backend::open_with(&settings, hasty(), None).unwrap();
    let refused = Repository::open_on(Arc::new(store), None).unwrap_err();
    assert!(matches!(refused, Error::Permission { .. }), "{refused}");
    shows_nothing(&all_of(&refused));
    assert!(!all_of(&refused).contains("another-secret"));
}

#[test]
fn a_command_tells_the_key() {
    let server = S3Server::start();
    let told = format!(r#"{{"Version":1,"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}"}}"#);
    let file = server.directory.path().join("told");
    std::fs::write(&file, told).unwrap();
    let words = ["cat".to_owned(), file.display().to_string()];
    let settings =
        |words: &[String]| S3Settings { credentials: Credentials::Command(words.to_vec()), ..server.settings("pg") };
    let store = S3Backend::open_with(&settings(&words), hasty(), None).unwrap();
    put(&store, "a", b"1").unwrap();
    let store = S3Backend::open_with(&settings(&["false".to_owned()]), hasty(), None).unwrap();
    let refused = put(&store, "b", b"1").unwrap_err();
    assert!(matches!(refused, Error::Permission { .. }), "{refused}");
    assert!(refused.to_string().ends_with("credential command false: it failed"), "{refused}");
}
