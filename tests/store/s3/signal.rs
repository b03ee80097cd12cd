//! A store that does not answer keeps nobody from ending the run.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{BUCKET, Fault, S3Server};

/// Far less than the store is waited for.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn one_signal_ends_the_wait() {
    let server = S3Server::start();
    server.ambush("GET", "pgcairn.json", &[Fault::Silent; 40]);
    let config = server.directory.path().join("main.toml");
    let credentials = server.credentials();
    let text = format!(
        "[[repository]]\nname = \"s3\"\nurl = \"s3://{BUCKET}/pg\"\nendpoint = \"{}\"\ncredentials = {{ file = {credentials:?} }}\n",
        server.endpoint
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcairn"));
    command.arg("--config").arg(&config).arg("list").stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let since = Instant::now();
    while server.take().is_empty() {
        assert!(since.elapsed() < SOON, "the store was not asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    let signalled = Instant::now();
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert!(signalled.elapsed() < SOON, "it took {:?}", signalled.elapsed());
    assert_eq!(status.code(), Some(130));
}
