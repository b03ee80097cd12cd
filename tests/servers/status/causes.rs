//! Why WAL stays where it is: what `archive_command` said, a slot that nobody reads, a backlog with the server down. And
//! whether a key lies on this host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;
use crate::support::wait::wait_for;
use crate::support::{Outcome, account::account};

fn told(site: &Site) -> Outcome<Value> {
    site.run(&["status", "--wait", "20s", "--json"])?.status_in(0..=3)?.json()
}

fn reasons(told: &Value) -> Vec<&str> {
    let reasons = told["verdict"]["reasons"].as_array().into_iter().flatten();
    reasons.filter_map(|it| it["reason"].as_str()).collect()
}

/// In the words of what failed, which stand in the server's log; those of another program too.
pub fn archiver(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.archive_all()?;
    assert_eq!(told(&site)?["archive_error"], Value::Null);
    let away = site.path("away");
    fs::rename(site.repository(), &away)?;
    server.switch_segment()?;
    server.wait_archive_failure(0)?;
    let error = |wanted: &str| {
        let found = || {
            let told = told(&site)?;
            Ok(told["archive_error"].as_str().is_some_and(|said| said.contains(wanted)).then_some(()))
        };
        wait_for(wanted, found)
    };
    error("is not a repository")?;
    let said = site.run(&["status", "--wait", "20s"])?.status_is(3)?;
    said.says(&["archive_command FAILED for 0000", "is not a", "1 file waits to be archived", " free for WAL"])?;
    fs::rename(&away, site.repository())?;

    let foreign = format!("'cp %p {}/absent/%f'", site.path("").display());
    server.append_setting("archive_command", &foreign)?;
    server.reload()?;
    server.switch_segment()?;
    error("cp: cannot create regular file")?;
    site.archive_from(&server)?;
    server.archive_all()?;
    let well = told(&site)?;
    assert!(!reasons(&well).contains(&"archiver-fails"), "{well}");
    let said = site.run(&["status", "--wait", "20s"])?;
    assert!(!said.stdout.contains("archiver:"), "what has ended is no cause: {}", said.stdout);
    Ok(())
}

/// With the server's log out of reach, as in the journal: what `wal push` left, until it succeeds.
pub fn log_elsewhere(install: &'static Installation) -> Outcome {
    let builder = Server::builder(install).segment_mib(1).setting("archive_mode", "on");
    let server = builder.setting("logging_collector", "on").setting("log_destination", "csvlog").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.archive_all()?;
    let left = site.state_dir().join("main.archive-error.json");
    assert!(!left.exists(), "a success leaves nothing");
    let away = site.path("away");
    fs::rename(site.repository(), &away)?;
    server.switch_segment()?;
    server.wait_archive_failure(0)?;
    let is_said = |told: Value| told["archive_error"].as_str().is_some_and(|said| said.contains("is not a repository"));
    assert!(is_said(told(&site)?));
    assert_eq!(fs::metadata(&left)?.permissions().mode() & 0o777, 0o600);
    let said = site.run(&["status", "--wait", "20s"])?.status_is(3)?;
    said.says(&["archive_command FAILED for 0000", "is not a"])?;
    server.stop(Shutdown::Immediate)?;
    assert!(is_said(told(&site)?), "the server need not run");
    server.start()?;
    fs::rename(&away, site.repository())?;
    server.archive_all()?;
    assert!(!left.exists(), "what has ended is no cause");
    assert_eq!(told(&site)?["archive_error"], Value::Null);
    Ok(())
}

/// The log is found by what the collector wrote down, and the backlog by its files.
pub fn down(install: &'static Installation) -> Outcome {
    let builder = Server::builder(install).segment_mib(1).setting("archive_mode", "on");
    let server = builder.setting("logging_collector", "on").setting("log_filename", "'postgresql.log'").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    site.run(&["backup"])?.ok()?;
    fs::rename(site.repository(), site.path("away"))?;
    server.switch_segment()?;
    server.wait_archive_failure(0)?;
    server.stop(Shutdown::Immediate)?;
    fs::rename(site.path("away"), site.repository())?;
    let told = told(&site)?;
    assert_eq!(told["server"]["state"], "unreachable");
    assert!(told["waiting"]["files"].as_u64() > Some(0), "{told}");
    assert!(told["archive_error"].as_str().unwrap_or_default().contains("is not a repository"), "{told}");
    assert_eq!(told["repositories"][0]["backups"], 1);
    assert_eq!(reasons(&told), ["server-unreachable", "key-never-checked", "sheet-never-made", "drill-never"]);
    let said = site.run(&["status", "--wait", "20s"])?.status_is(3)?;
    said.says(&["NO ANSWER", "archive_command FAILED last: ", "backups:", "restorable:"]).map(drop)
}

/// By its name, and with the command that drops it.
pub fn slot(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    site.configure("[status]\nslot = \"2MiB\"\n")?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("select pg_create_physical_replication_slot('standby_a', true)")?;
    assert!(!reasons(&told(&site)?).contains(&"slot-holds-wal"));
    (0..3).try_for_each(|_| server.archive_all().map(drop))?;
    let holds = told(&site)?;
    let slot = &holds["server"]["inactive_slots"][0];
    assert_eq!(slot["name"], "standby_a", "{holds}");
    assert!(slot["held_bytes"].as_u64() > Some(2 << 20), "{holds}");
    assert!(reasons(&holds).contains(&"slot-holds-wal"), "{holds}");
    let said = site.run(&["status", "--wait", "20s"])?.status_is(3)?;
    said.says(&["\"standby_a\" has no reader and holds ", "pg_drop_replication_slot"])?;
    server.sql("select pg_drop_replication_slot('standby_a')")?;
    let gone = told(&site)?;
    assert_eq!(
        (&gone["server"]["inactive_slots"], reasons(&gone)),
        (&Value::Null, vec!["no-backup", "key-never-checked", "sheet-never-made"])
    );
    Ok(())
}

/// Where the configuration is, and where the environment leads to.
pub fn key(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    let says = |words: &str| site.run(&["status", "--wait", "20s"])?.says(&[words]).map(drop);
    says("key:     ON THIS HOST: ")?;
    let elsewhere = site.path("elsewhere");
    account().make_dir(&elsewhere)?;
    fs::rename(site.identity(), elsewhere.join("drill.txt"))?;
    says("key:     none found on this host")?;
    let mut command = site.command(&["status", "--wait", "20s"]);
    command.env("PGCAIRN_IDENTITY", elsewhere.join("drill.txt"));
    crate::support::site::Run::of(&mut command)?.says(&["key:     drill only: "])?;
    let (secret, _) = pgcairn::codec::generate_identity();
    account().write(&site.path("other.txt"), age::secrecy::ExposeSecret::expose_secret(&secret), 0o600)?;
    says("key:     none on this host that opens new backups; ")
}
