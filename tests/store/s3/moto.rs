//! The suite against moto, a second S3 server: another program with other mistakes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgcairn::model::key::Encryption;
use pgcairn::store::{Backend, Credentials, Error, Patience, Repository, S3Backend, S3Settings};

use super::super::suite;
use super::PAGE;
use super::server::{self, BUCKET, REGION, SECRET_KEY, hasty};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/moto");
/// It imports half of Amazon.
const START: Duration = Duration::from_secs(60);

struct Moto {
    process: Child,
    port: u16,
}

impl Moto {
    /// `None` where it cannot be had, which is said. `certificate` is a directory for it, to serve over TLS.
    fn start(certificate: Option<&Path>) -> Option<Moto> {
        if !Command::new(SCRIPT).arg("install").status().is_ok_and(|status| status.success()) {
            println!("SKIPPED: moto cannot be had; scripts/packages test, then scripts/moto install");
            eprintln!("SKIPPED: moto cannot be had; scripts/packages test, then scripts/moto install");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(SCRIPT);
        command.args(["serve", &port.to_string()]);
        if let Some(directory) = certificate {
            assert!(Command::new(SCRIPT).arg("certificate").arg(directory).status().unwrap().success());
            command.arg(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Moto { process: command.spawn().unwrap(), port };
        let since = Instant::now();
        let ready = || match certificate {
            None => moto.ask(&format!("PUT /{BUCKET}")).is_some(),
            Some(_) => TcpStream::connect(("127.0.0.1", port)).is_ok(),
        };
        while !ready() {
            assert!(since.elapsed() < START, "moto does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(moto)
    }

    fn ask(&self, request: &str) -> Option<String> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn moto_conforms() {
    let Some(moto) = Moto::start(None) else { return };
    let directory = tempfile::tempdir().unwrap();
    let backend = |prefix: &str, page| {
        let settings = S3Settings {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", moto.port)),
            region: Some(REGION.to_owned()),
            credentials: Credentials::File { path: server::credentials(directory.path(), SECRET_KEY), profile: None },
            ..S3Settings::default()
        };
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
