//! moto as a process: a second S3 server, another program with other mistakes, which knows versions and Object Lock.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pgcairn::store::{Credentials, S3Settings};

use super::server::{self, BUCKET, REGION, SECRET_KEY};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/moto");
/// Set where it cannot be had.
const WITHOUT: &str = "PGCAIRN_TEST_WITHOUT_MOTO";
/// Names of the tests that did without.
const SKIPPED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/without-moto");
/// It imports half of Amazon.
const START: Duration = Duration::from_secs(60);

const AUTHORIZATION: &str = "Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, \
                             SignedHeaders=host, Signature=0\r\n";

pub struct Moto {
    process: Child,
    pub port: u16,
}

impl Moto {
    /// `None` where one does without it, which is noted for the end of `scripts/run-tests`. `certificate` is a directory
    /// for it, to serve over TLS.
    pub fn start(certificate: Option<&Path>) -> Option<Moto> {
        if std::env::var_os(WITHOUT).is_some_and(|value| !value.is_empty()) {
            note_skipped();
            return None;
        }
        let installed = Command::new(SCRIPT).arg("install").status().is_ok_and(|status| status.success());
        assert!(
            installed,
            "moto cannot be had: scripts/packages test, scripts/moto install, or {WITHOUT}=1 to do without"
        );
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
        self.say(request, "", "").ok()
    }

    /// A request, `METHOD /path`. moto asks who sends it and believes it. The answer's head and body, as an error where
    /// it is no success.
    pub fn say(&self, request: &str, headers: &str, body: &str) -> Result<String, String> {
        let exchange = || -> std::io::Result<String> {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
            let head = format!(
                "{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\nConnection: close\r\n{AUTHORIZATION}{headers}\r\n",
                body.len()
            );
            socket.write_all((head + body).as_bytes())?;
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = exchange().map_err(|error| error.to_string())?;
        if answer.starts_with("HTTP/1.1 20") { Ok(answer) } else { Err(answer) }
    }

    /// With versions and Object Lock.
    pub fn locking_bucket(&self, name: &str) {
        self.say(&format!("PUT /{name}"), "x-amz-bucket-object-lock-enabled: true\r\n", "").unwrap();
    }

    /// With versions, or as it says: `Enabled`, `Suspended`.
    pub fn versions(&self, bucket: &str, status: &str) {
        let body = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        self.say(&format!("PUT /{bucket}?versioning"), "", &body).unwrap();
    }

    pub fn settings(&self, directory: &Path, bucket: &str, prefix: &str) -> S3Settings {
        S3Settings {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            region: Some(REGION.to_owned()),
            credentials: Credentials::File { path: server::credentials(directory, SECRET_KEY), profile: None },
            ..S3Settings::default()
        }
    }
}

/// What a test prints is seen only where it fails.
fn note_skipped() {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let mut file = std::fs::File::options().create(true).append(true).open(SKIPPED).unwrap();
    writeln!(file, "{name}").unwrap();
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
