//! A backup of a real server, and people who are told of it, or cannot be told: the backup is the same. And what is
//! written down for Prometheus.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::support::majors::Installation;
use crate::support::process::{self, Killed};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::wait::wait_for;
use crate::support::{Outcome, Scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "notify::broken", run: broken },
        Scenario { name: "notify::told", run: told },
        Scenario { name: "notify::interrupted", run: interrupted },
        Scenario { name: "notify::metrics", run: metrics },
    ]
}

fn site(server: &Server, notify: &str) -> Outcome<Site> {
    let mut site = Site::new(server)?;
    site.init()?;
    site.archive_from(server)?;
    site.configure(&format!("[notify]\n{notify}\n"))?;
    Ok(site)
}

/// Nothing that is told works: a backup, its exit status and its JSON are what they are without.
fn broken(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let address = silent.local_addr()?;
    let mut site = site(
        &server,
        &format!(
            "ping = \"http://{address}/hush\"\nwebhook = {{ file = \"/nonexistent/hush\" }}\ncommand = [\"false\"]"
        ),
    )?;
    let run = site.run(&["backup", "--json"])?.ok()?;
    assert_eq!(run.result()?["result"], "backup", "{}", run.report());
    let warning = format!("warning: not notified by ping to {address}: no answer within 5 s\n");
    assert_eq!(run.stderr.matches(&warning).count(), 2, "{}", run.report());
    assert!(!run.stderr.contains(&format!("{address}/")), "{}", run.report());
    assert_eq!(site.run(&["list", "--json"])?.ok()?.json()?["backups"].as_array().map(Vec::len), Some(1));
    // A failure stays that failure.
    site.configure("[retention]\n")?;
    take_away(&site)?;
    let run = site.run(&["expire", "--json"])?.status_is(7)?;
    assert_eq!(run.json()?["error"]["code"], "not-a-repository", "{}", run.report());
    run.says(&[
        "not notified by command false: it ended with exit status: 1\n",
        "not notified by webhook: its URL in ",
    ])?;
    Ok(())
}

/// The repository is none any more, until it is put back.
fn take_away(site: &Site) -> Outcome {
    Ok(std::fs::rename(site.repository().join("pgcairn.json"), site.path("away"))?)
}

fn put_back(site: &Site) -> Outcome {
    Ok(std::fs::rename(site.path("away"), site.repository().join("pgcairn.json"))?)
}

/// What came to a service, as `path: body`.
fn listen() -> Outcome<(String, Arc<Mutex<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&heard);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let _ = hear(socket, &shared);
        }
    });
    Ok((address, heard))
}

fn hear(mut socket: TcpStream, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let (mut lines, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        lines.push(std::mem::take(&mut line).trim_end().to_ascii_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok());
    let mut body = String::new();
    reader.take(length.unwrap_or(0)).read_to_string(&mut body).ok()?;
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    heard.lock().ok()?.push(format!("{path}: {body}"));
    socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").ok()
}

/// A backup that fails twice and then succeeds; what expiry does is another matter.
fn told(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let (address, heard) = listen()?;
    let mut site = site(
        &server,
        &format!("ping = \"http://{address}/ping\"\nwebhook = \"http://{address}/webhook\"\nwebhook_format = \"ntfy\""),
    )?;
    site.configure("[retention]\n")?;
    let come = || std::mem::take(&mut *heard.lock().unwrap_or_else(|e| e.into_inner()));
    take_away(&site)?;
    site.run(&["backup"])?.status_is(7)?;
    let first = come();
    let has = |lines: &[String], path: &str, text: &str| lines.iter().any(|l| l.starts_with(path) && l.contains(text));
    assert!(first.len() == 3 && first[0] == "/ping/start: ", "{first:?}");
    assert!(has(&first, "/ping/fail: error: ", "exit status 7"), "{first:?}");
    assert!(has(&first, "/webhook: error: ", "\nhint: "), "{first:?}");
    site.run(&["backup"])?.status_is(7)?;
    let second = come();
    assert!(second.len() == 2 && !has(&second, "/webhook", ""), "{second:?}");
    put_back(&site)?;
    site.run(&["expire"])?.ok()?;
    assert_eq!(come(), Vec::<String>::new(), "it has not failed, and the ping is of backups");
    site.run(&["backup"])?.ok()?;
    let third = come();
    assert!(
        has(&third, "/ping: ", "ended well") && has(&third, "/webhook: ", "it had failed 2 times since"),
        "{third:?}"
    );
    Ok(())
}

/// Whoever stops a backup has it told as a failure: there is none.
fn interrupted(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let (address, heard) = listen()?;
    let mut site = site(&server, &format!("ping = \"http://{address}/ping\"\nwebhook = \"http://{address}/webhook\""))?;
    site.configure("[backup]\nmax_rate = \"1KiB\"\n")?;
    let come = || heard.lock().unwrap_or_else(|e| e.into_inner()).clone();
    let mut backup = Killed(site.command(&["backup"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    wait_for("the beginning of the backup", || Ok((!come().is_empty()).then_some(())))?;
    process::signal(backup.0.id().cast_signed(), Signal::TERM);
    let status = wait_for("the interrupted backup to end", || Ok(backup.0.try_wait()?))?;
    assert_eq!(status.code(), Some(130));
    let told = come();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("/ping/fail: error: interrupted by a signal")), "{told:?}");
    assert!(
        told.iter().any(|line| line.starts_with("/webhook: {") && line.contains("\"code\":\"interrupted\"")),
        "{told:?}"
    );
    Ok(())
}

/// What is written after a backup is what `status` says.
fn metrics(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    let file = site.path("pgcairn.prom");
    site.configure(&format!("[metrics]\ntextfile = {file:?}\n"))?;
    site.run(&["backup"])?.ok()?;
    let after_backup = Written::taken(&file)?;
    server.sql("create table t as select generate_series(1, 10) as n")?;
    server.archive_all()?;
    assert_eq!((after_backup.run("last_run_success")?, after_backup.cluster("server_up")?), (1.0, 1.0));
    let status = site.run(&["status", "--json"])?.status_in(0..=3)?.json()?;
    let after_status = Written::taken(&file)?;
    let told = &status["repositories"][0];
    for (name, said) in [
        ("backups", &told["backups"]),
        ("last_backup_data_bytes", &told["last_backup"]["data_bytes"]),
        ("stored_bytes", &told["stored"]["total_bytes"]),
        ("stored_wal_bytes", &told["stored"]["wal_bytes"]),
    ] {
        assert_eq!(Some(after_status.local(name)?), said.as_f64(), "{name}");
    }
    let seconds = |value: &serde_json::Value| -> Outcome<f64> {
        let time: jiff::Timestamp = value.as_str().ok_or("no time")?.parse()?;
        Ok(time.as_duration().as_secs_f64())
    };
    let stopped = seconds(&told["last_backup"]["stopped"])?;
    for written in [&after_backup, &after_status] {
        assert_eq!(written.local("last_backup_timestamp_seconds")?, stopped);
    }
    assert_eq!(after_status.local("restorable_windows")?, 1.0);
    assert_eq!(after_status.local("restorable_to_timestamp_seconds")?, seconds(&told["restorable"][0]["to"])?);
    let success = after_status.run("last_success_timestamp_seconds")?;
    assert!(success >= stopped);
    // A repository that is away, and WAL that waits.
    take_away(&site)?;
    server.sql("insert into t values (11); select pg_switch_wal()")?;
    let printed = site.run(&["metrics"])?.ok()?.stdout;
    let away = Written::taken(&file)?;
    assert_eq!(printed, away.0);
    assert_eq!((away.local("repository_up")?, away.run("last_run_success")?), (0.0, 1.0));
    assert!(away.cluster("wal_waiting_files")? >= 1.0);
    let since = away.cluster("wal_waiting_oldest_timestamp_seconds")?;
    assert!(since > stopped && since <= away.cluster("metrics_timestamp_seconds")?);
    assert!(away.local("backups").is_err(), "what is not known is left out");
    site.run(&["backup", "--quiet"])?.status_is(7)?;
    let failed = Written::taken(&file)?;
    assert_eq!((failed.run("last_run_success")?, failed.run("last_success_timestamp_seconds")?), (0.0, success));
    Ok(())
}

/// The file of metrics, which is gone afterwards: the next command writes it anew.
struct Written(String);

impl Written {
    fn taken(path: &Path) -> Outcome<Written> {
        let text = std::fs::read_to_string(path)?;
        std::fs::remove_file(path)?;
        Ok(Written(text))
    }

    fn value(&self, name: &str, labels: &str) -> Outcome<f64> {
        let sample = format!("pgcairn_{name}{{cluster=\"main\"{labels}}} ");
        let value = self.0.lines().find_map(|line| line.strip_prefix(&sample));
        Ok(value.ok_or_else(|| format!("no {sample}\n{}", self.0))?.parse()?)
    }

    fn cluster(&self, name: &str) -> Outcome<f64> {
        self.value(name, "")
    }

    fn local(&self, name: &str) -> Outcome<f64> {
        self.value(name, ",repository=\"local\"")
    }

    fn run(&self, name: &str) -> Outcome<f64> {
        self.value(name, ",command=\"backup\"")
    }
}
