//! How a started copy is reached, stopped and started again, and what a signal does to one on its way.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::refusals::Document;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{self, Server};
use crate::support::site::{Run, Site};
use crate::support::wait::wait_for;
use crate::support::{Outcome, process, skip};

use super::copy::{self, Copy, wait_empty};

const SCRIPT: &str = "/usr/bin/script";

/// A server, and a site with one backup and a row after it. Its socket would lie too deep in the copy.
fn backed_up(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table t as select 1 as n")?;
    server.sql("create role app login password 'secret'")?;
    site.run(&["backup"])?.ok()?;
    server.sql("insert into t values (2)")?;
    server.archive_all()?;
    Ok((server, site))
}

/// The commands of the report do what they say; what was started again is as cut off as before.
pub fn stopped_and_started_again(install: &'static Installation) -> Outcome {
    let (server, site) = backed_up(install)?;
    server.sql("alter system set archive_mode = 'always'")?;
    let copy = Copy::start(&site, install, &["--to", "latest"])?;
    assert_eq!((copy.started["is_open"].clone(), copy.value("select count(*) from t")?), (true.into(), "2".into()));
    assert_eq!(copy.started["recovery"]["stop"], Value::Null);
    copy.value("alter system set archive_mode = 'always'")?;
    copy.types("stop", "")?;
    assert!(!copy.is_running());
    copy.types("again", "")?;
    assert_eq!(
        (copy.setting("archive_mode")?, copy.setting("cluster_name")?),
        ("off".into(), "restored copy of main".into())
    );
    assert_eq!(copy.value("select count(*) from t")?, "2");
    copy.types("stop", "")?;
    wait_empty(&copy.data)
}

/// A terminal that is closed ends what runs in its foreground.
pub fn outlives_the_terminal(install: &'static Installation) -> Outcome {
    if !Path::new(SCRIPT).exists() {
        return skip("needs script, which makes a terminal");
    }
    let (_server, site) = backed_up(install)?;
    let start = copy::command(copy::owner(), &site, install, "copy", &["--to", "latest", "--json"]);
    let words = std::iter::once(start.get_program()).chain(start.get_args()).map(|word| word.to_string_lossy());
    let words: Vec<_> = words.collect();
    let mut script = account().command(SCRIPT);
    script.env("PGCAIRN_IDENTITY", site.identity()).args(["-qec", &words.join(" "), "/dev/null"]);
    let copy = Copy::of(script.stdin(Stdio::null()))?;
    assert_eq!(copy.value("select count(*) from t")?, "2");
    assert!(copy.is_running());
    Ok(())
}

/// Where the usual superuser and the usual database are no use, others are found.
pub fn another_superuser(install: &'static Installation) -> Outcome {
    let (server, mut site) = backed_up(install)?;
    server.sql("create role admin superuser login")?;
    let mut session = server.client_of("template1")?;
    session.batch_execute("drop database postgres with (force)")?;
    session.batch_execute("alter role postgres nologin")?;
    site.connect_as("user=admin dbname=template1")?;
    site.run(&["backup"])?.ok()?;
    let copy = Copy::start(&site, install, &["--to", "latest"])?;
    assert_eq!(copy.value("select current_user || ' ' || current_database()")?, "admin template1");
    Ok(())
}

/// Those that are named, and no others.
pub fn libraries(install: &'static Installation) -> Outcome {
    let (_server, site) = backed_up(install)?;
    let start = |name: &str, library: &str| {
        copy::command(copy::owner(), &site, install, name, &["--backup", "latest", "--preload", library, "--json"])
    };
    let failed = Run::of(&mut start("other", "no_such_library"))?.status_is(1)?;
    failed.says(&["FATAL: could not access file \\\"no_such_library\\\""])?;
    wait_empty(&site.path("other"))?;
    let copy = Copy::of(&mut start("copy", "plpgsql"))?;
    assert_eq!(copy.setting("shared_preload_libraries")?, "plpgsql");
    Ok(())
}

/// Whoever is on the machine reaches the port: a password is asked for.
pub fn on_a_port(install: &'static Installation) -> Outcome {
    let (_server, site) = backed_up(install)?;
    let free = || Ok::<_, std::io::Error>(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
    let port = free()?.to_string();
    let copy = Copy::start(&site, install, &["--backup", "latest", "--port", &port])?;
    assert_eq!(copy.setting("listen_addresses")?, "127.0.0.1");
    assert_eq!(copy.value("select count(*) from t")?, "1");
    let ports = copy.ports()?;
    assert_eq!(ports.len(), 1, "{ports:?}");
    assert!(ports[0].starts_with("tcp 0100007F:"), "{ports:?}");
    let over_tcp = |user: &str, password: &str| {
        let mut psql = account().command(install.program("psql"));
        psql.env("PGPASSWORD", password).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            user,
            "-d",
            "postgres",
            "-wXAtc",
            "select 1",
        ]);
        server::run(&mut psql)
    };
    assert_eq!(over_tcp("app", "secret")?.trim(), "1");
    assert!(over_tcp("app", "wrong").is_err() && over_tcp("postgres", "").is_err());
    Ok(())
}

/// The server is on its way when the signal comes.
pub fn a_signal_stops_the_server(install: &'static Installation) -> Outcome {
    let (_server, site) = backed_up(install)?;
    let mut command = copy::command(copy::owner(), &site, install, "copy", &["--to", "latest", "--json"]);
    let target = site.path("copy");
    let (postmaster, running) = held_while_it_starts(&mut command, &target, install)?;
    process::signal(running.id().cast_signed(), Signal::TERM);
    wait_for("the server to be told to quit", || Ok(is_pending(postmaster, Signal::QUIT).then_some(())))?;
    process::signal(postmaster, Signal::CONT);
    let mut run = Run::from_output(&command, &running.wait_with_output()?);
    process::unregister(postmaster.cast_unsigned());
    assert_eq!(process::below(&target), Vec::<i32>::new(), "processes are left");
    let hint = run.result()?["error"]["hint"].as_str().unwrap_or_default().to_owned();
    let again = hint.strip_prefix("the copy is complete: ").ok_or_else(|| run.report())?;
    server::run(account().command("/bin/sh").args(["-c", again]))?;
    run.stdout = run.stdout.replace(&install.bin().display().to_string(), "/usr/lib/postgresql/18/bin");
    let mut document = Document::new();
    document.compare("--start: a signal while the copy recovers", &site, run)?;
    document.end()?;
    let stop = format!("{} -D {} -m immediate stop", install.program("pg_ctl").display(), target.display());
    server::run(account().command("/bin/sh").args(["-c", &stop]))?;
    wait_empty(&target)
}

/// On a busy machine a server may be faster than we are.
const ATTEMPTS: usize = 20;

/// Its postmaster stands still before it takes sessions: only then is it certain that somebody waits for that.
fn held_while_it_starts(command: &mut Command, target: &Path, install: &Installation) -> Outcome<(i32, Child)> {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let line = |number: usize| {
        let text = fs::read_to_string(target.join("postmaster.pid")).unwrap_or_default();
        text.lines().nth(number).map(|line| line.trim().to_owned())
    };
    for _ in 0..ATTEMPTS {
        let mut running = command.spawn()?;
        let pid = || Ok(line(0).and_then(|pid| pid.parse::<i32>().ok()));
        let postmaster = wait_for("the copy's server", pid)?;
        process::signal(postmaster, Signal::STOP);
        wait_for("it to stand still", || Ok(is_stopped(postmaster).then_some(())))?;
        if line(STATE_LINE).as_deref() != Some("ready") {
            process::register(postmaster.cast_unsigned());
            return Ok((postmaster, running));
        }
        process::signal(postmaster, Signal::CONT);
        running.wait()?;
        let mut stop = account().command(install.program("pg_ctl"));
        server::run(stop.arg("-D").arg(target).args(["-m", "immediate", "-w", "stop"]))?;
        fs::remove_dir_all(target)?;
    }
    Err("the server took sessions each time before it could be held".into())
}

/// Of `postmaster.pid`, from 0 on (`LOCK_FILE_LINE_PM_STATUS`).
const STATE_LINE: usize = 7;

fn is_stopped(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tT"))
}

fn is_pending(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    pending & (1 << (signal.as_raw() - 1)) != 0
}
