//! Backups and restores that are cut off. A backup then does not exist; a restored directory cannot be started, and
//! the same command completes it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::Signal;

use super::background::Background;
use super::quiet::{Quiet, SUMS, quiet};
use crate::support::majors::Installation;
use crate::support::scratch::{Scratch, remove};
use crate::support::server::{Server, Shutdown};
use crate::support::site::{Run, Site};
use crate::support::wait::wait_for;
use crate::support::{Outcome, full_length, skip};

/// 130 is what SIGINT and SIGTERM end with; 137 is SIGKILL, as a shell says it.
const INTERRUPTED: i32 = 130;
const KILLED: i32 = 137;

pub fn interrupted_restore(install: &'static Installation) -> Outcome {
    let quiet = quiet(install)?;
    let scratch = Scratch::new()?;
    let (target, moved) = (scratch.join("target"), scratch.join("moved"));
    let mut cut_off = 0;
    for signal in [Signal::KILL, Signal::TERM] {
        for (name, reached) in &moments(&target, &moved) {
            let run = restore_until(&quiet, &target, &moved, signal, reached)?;
            match (run.status, signal) {
                (0, _) => [&target, &moved].into_iter().for_each(|directory| remove(directory)),
                (KILLED, Signal::KILL) | (INTERRUPTED, Signal::TERM) => {
                    cut_off += 1;
                    check_unstartable(install, &target).map_err(|e| format!("{signal:?} at {name}: {e:?}"))?;
                }
                _ => return Err(format!("{signal:?} at {name}: {}", run.report()).into()),
            }
            // The next run begins with what this one left.
        }
    }
    assert!(cut_off >= 4, "only {cut_off} restores were cut off");
    start(&quiet, &target, &moved)?.end()?.ok()?;
    let left = [&target, &moved].into_iter().find(|directory| directory.join("pgcairn_restore.json").exists());
    assert_eq!(left, None, "the mark of an unfinished restore");
    let restored = Server::adopt(install, &target)?;
    restored.start()?;
    restored.wait_paused()?;
    assert_eq!(restored.psql(SUMS)?, quiet.server.psql(SUMS)?);
    restored.stop(Shutdown::Fast)
}

type Moment<'a> = (&'static str, Box<dyn Fn() -> bool + 'a>);

/// Each seen from outside.
fn moments<'a>(target: &'a Path, moved: &'a Path) -> [Moment<'a>; 5] {
    let of_tablespace = |name: &OsStr| name.as_bytes().starts_with(b"PG_");
    [
        ("the first directory", Box::new(|| target.join("base").exists())),
        ("a relation", Box::new(|| target.join("base/1/1259").exists())),
        (
            "the tablespace",
            Box::new(move || fs::read_dir(moved).is_ok_and(|dir| dir.flatten().any(|e| of_tablespace(&e.file_name())))),
        ),
        ("the control file, waiting", Box::new(|| target.join("global/pg_control.pgcairn").exists())),
        ("the WAL", Box::new(|| fs::read_dir(target.join("pgcairn_wal")).is_ok_and(|dir| dir.count() > 0))),
    ]
}

fn start(quiet: &Quiet, target: &Path, moved: &Path) -> Outcome<Background> {
    let (target, mapping) = (target.display().to_string(), format!("{}={}", quiet.fast().display(), moved.display()));
    let arguments =
        ["restore", "--backup", &quiet.id, "--target-dir", &target, "--tablespace", &mapping, "--jobs", "1"];
    Background::start(&quiet.site, &arguments)
}

/// What an earlier run left is cleared away first, so a moment counts only after it was absent once.
fn restore_until(
    quiet: &Quiet,
    target: &Path,
    moved: &Path,
    signal: Signal,
    reached: &dyn Fn() -> bool,
) -> Outcome<Run> {
    let mut absent = !reached();
    let mut restore = start(quiet, target, moved)?;
    while !restore.has_ended()? {
        let now = reached();
        absent |= !now;
        if now && absent {
            restore.signal(signal);
            break;
        }
        std::thread::yield_now();
    }
    restore.end()
}

fn check_unstartable(install: &'static Installation, target: &Path) -> Outcome {
    assert!(!target.join("global/pg_control").exists(), "the control file is in place");
    let server = Server::adopt(install, target)?;
    server.launch()?;
    let status = server.wait_exit()?;
    assert!(!status.success(), "an unfinished restore was started");
    Ok(())
}

type Cut = (&'static str, fn(&Server, &mut Background) -> Outcome<Run>);

/// What happens to a backup while it copies, and how it ends.
const CUTS: [Cut; 4] = [
    ("SIGKILL", |_, backup| {
        backup.signal(Signal::KILL);
        backup.end()?.status_is(KILLED)
    }),
    ("SIGTERM", |_, backup| {
        backup.signal(Signal::TERM);
        backup.end()?.status_is(INTERRUPTED)?.says(&["interrupted"])
    }),
    ("the session is terminated", |server, backup| {
        let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                         where pid <> pg_backend_pid() and backend_type = 'client backend'";
        assert_ne!(server.value(ended)?, "0");
        backup.end()?.status_in(1..=7)
    }),
    ("the server is killed", |server, backup| {
        server.stop(Shutdown::Kill)?;
        let ended = backup.end()?.status_in(1..=7);
        server.start()?;
        ended
    }),
];

pub fn interrupted_backup(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    // About three seconds for what initdb makes.
    site.configure("[backup]\nmax_rate = \"10MiB\"\n")?;
    for (name, cut) in CUTS {
        let mut backup = Background::backup(&site, &server)?;
        cut(&server, &mut backup).map_err(|e| format!("{name}: {e:?}"))?;
        let list = site.run(&["list", "--json"])?.ok()?.json()?;
        assert_eq!(list["backups"].as_array().map(Vec::len), Some(0), "{name}");
        wait_for("the session to end", || {
            let sessions = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
            Ok((server.value(sessions)? == "1").then_some(()))
        })?;
    }
    site.configure("jobs = 2\n")?;
    site.run(&["backup"])?.ok()?;
    check_usable(install, &site)
}

fn check_usable(install: &'static Installation, site: &Site) -> Outcome {
    let scratch = Scratch::new()?;
    let target = scratch.join("target");
    let directory = target.display().to_string();
    site.run_with_identity(&["restore", "--backup", "latest", "--target-dir", &directory])?.ok()?;
    let restored = Server::adopt(install, &target)?;
    restored.start()?;
    restored.wait_paused()?;
    assert_eq!(restored.value("select count(*) from t")?, "1000");
    restored.stop(Shutdown::Fast)
}

/// The archiver fails from the moment on when the backup copies.
pub fn archiving_breaks(install: &'static Installation) -> Outcome {
    if !full_length() {
        return skip("takes longer than a minute: make test-all");
    }
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    // It fails while it copies, which would take minutes; and at its end.
    for (rate, breaks_before) in [("200KiB", true), ("4MiB", false)] {
        let mut site = Site::new(&server)?;
        site.configure(&format!("[backup]\nmax_rate = \"{rate}\"\n"))?;
        site.init()?;
        site.archive_from(&server)?;
        server.archive_all()?;
        let breaks = || -> Outcome {
            server.append_setting("archive_command", "'exit 7 # %p'")?;
            server.reload()
        };
        let run = if breaks_before {
            breaks()?;
            site.run(&["backup"])?
        } else {
            let mut backup = Background::backup(&site, &server)?;
            breaks()?;
            backup.end()?
        };
        run.status_is(12)?.says(&["did not arrive in", "within 60 s", "archive_command last failed for"])?;
        let list = site.run(&["list", "--json"])?.ok()?.json()?;
        assert_eq!(list["backups"].as_array().map(Vec::len), Some(0));
    }
    Ok(())
}
