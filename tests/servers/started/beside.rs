//! The origin goes on as if there was no copy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::account::is_root;
use crate::support::majors::Installation;
use crate::support::server::{Shutdown, run};
use crate::support::site::binary;
use crate::support::{Outcome, skip};

use super::copy::{self, Copy};
use super::origin::{Layout, Origin, POINT, ROWS};

/// What a copy has processes for; those of PostgreSQL 17 and 18 among them.
const WORKERS: [&str; 6] = ["background writer", "checkpointer", "client backend", "io worker", "startup", "walwriter"];

/// Settings of the copy, whatever the origin was told; an unknown one is of another major.
const SETTINGS: [(&str, &str); 22] = [
    ("archive_mode", "off"),
    ("archive_command", "(disabled)"),
    ("listen_addresses", ""),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("max_logical_replication_workers", "0"),
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("archive_cleanup_command", ""),
    ("recovery_end_command", ""),
    ("external_pid_file", ""),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("autovacuum", "off"),
    ("jit", "off"),
    ("dynamic_shared_memory_type", "mmap"),
    ("shared_buffers", "128MB"),
    ("cluster_name", "restored copy of main"),
    ("event_triggers", "off"),
    ("sync_replication_slots", "off"),
    ("archive_library", ""),
    ("ssl", "off"),
];

pub fn plain(install: &'static Installation) -> Outcome {
    beside(install, Layout::Plain, false)
}

pub fn debian(install: &'static Installation) -> Outcome {
    beside(install, Layout::Debian, false)
}

/// Root gives way to the owner, and says whom to be later.
pub fn by_root(install: &'static Installation) -> Outcome {
    if !is_root() {
        return skip("needs root");
    }
    beside(install, Layout::Debian, true)
}

fn root() -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TZ", "UTC").current_dir("/root");
    command
}

/// What the origin has, and nobody else may change.
#[derive(Debug, PartialEq, Eq)]
struct Untouched {
    pid_file: String,
    configuration: BTreeMap<PathBuf, Vec<u8>>,
    slots: String,
    subscriber: String,
    repository: Vec<PathBuf>,
}

impl Untouched {
    fn look(origin: &Origin) -> Outcome<Untouched> {
        Ok(Untouched {
            pid_file: fs::read_to_string(origin.server.data().join("postmaster.pid"))?,
            configuration: files(origin.etc.path())?,
            slots: origin.server.value(
                "select string_agg(slot_name || coalesce(active_pid, 0), ' ' order by 1) from pg_replication_slots",
            )?,
            subscriber: origin.subscriber()?,
            repository: origin.site.objects("")?,
        })
    }
}

fn files(directory: &Path) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.into_iter().map(|path| Ok((path.clone(), fs::read(&path)?))).collect()
}

fn beside(install: &'static Installation, layout: Layout, by_root: bool) -> Outcome {
    let origin = Origin::start(install, layout)?;
    let before = Untouched::look(&origin)?;
    let caller = if by_root { root() } else { copy::owner() };
    let arguments = ["--to-name", POINT, "--json"];
    let copy = Copy::of(&mut copy::command(caller, &origin.site, install, "copy", &arguments))?;

    assert_eq!(copy.value("show data_directory")?, copy.data.display().to_string());
    assert_eq!(copy.value("select count(*) from t")?, ROWS[0].to_string());
    assert_eq!(copy.started["recovery"]["stop"]["name"], POINT, "{}", copy.started);
    assert_eq!(copy.started["is_open"], false);
    cut_off(&copy)?;
    let prefix = copy.started["stop"].as_str().unwrap_or_default().starts_with("sudo -u ");
    assert_eq!(prefix, by_root, "{}", copy.started);

    copy.open()?;
    copy.value("insert into t values (0)")?;
    copy.value("checkpoint")?;
    copy.value("select pg_switch_wal()")?;
    cut_off(&copy)?;
    assert_eq!(copy.value("select count(*) from pg_subscription")?, "1");
    assert_eq!(run(&mut ready_files(&copy.data))?, "", "something waits to be archived");
    assert_eq!(Untouched::look(&origin)?, before);

    // What is published goes to the origin, as before; and it still has all its rows.
    origin.publish(2)?;
    assert_eq!(copy.value("select count(*) from news where n = 2")?, "0");
    assert_eq!(origin.server.value("select count(*) from t")?, ROWS[1].to_string());
    assert_eq!(origin.subscriber()?, before.subscriber);
    beside_one_that_is_down(&origin, install)
}

/// With the origin's configuration it would be the origin that starts.
fn beside_one_that_is_down(origin: &Origin, install: &'static Installation) -> Outcome {
    origin.server.stop(Shutdown::Fast)?;
    let control = || fs::read(origin.server.data().join("global/pg_control"));
    let before = control()?;
    let arguments = ["--to", "latest", "--json"];
    let copy = Copy::of(&mut copy::command(copy::owner(), &origin.site, install, "other", &arguments))?;
    assert_eq!(copy.value("show data_directory")?, copy.data.display().to_string());
    assert_eq!(copy.value("select count(*) from t")?, ROWS[1].to_string());
    assert!(!origin.server.data().join("postmaster.pid").exists(), "the origin was started");
    assert!(control()? == before, "the origin was written to");
    Ok(())
}

/// Names of WAL files that a server would archive.
fn ready_files(data: &Path) -> Command {
    let mut find = Command::new("/usr/bin/find");
    find.arg(data.join("pg_wal/archive_status")).args(["-name", "*.ready"]);
    find
}

fn cut_off(copy: &Copy) -> Outcome {
    for (name, value) in SETTINGS {
        let is = copy.setting(name)?;
        assert!(is == value || (is == "unknown" && !PRESENT.contains(&name)), "{name} is {is:?}");
    }
    assert_eq!(copy.value("select count(*) from pg_replication_slots")?, "0");
    let workers = copy.workers()?;
    assert!(workers.iter().all(|worker| WORKERS.contains(&worker.as_str())), "{workers:?}");
    assert_eq!(copy.ports()?, Vec::<String>::new());
    Ok(())
}

/// Those that every major has.
const PRESENT: [&str; 5] =
    ["archive_mode", "archive_command", "primary_conninfo", "max_logical_replication_workers", "external_pid_file"];
