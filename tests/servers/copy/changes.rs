//! A server that does not hold still: tables, databases and a tablespace dropped, truncated, rewritten and grown
//! while they are copied. No checksums and large segments, for once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::background::Background;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;

/// First in the order of names: while it is open, everything behind it was listed and is not yet read.
const FIRST: &str = "aaa";
const FIRST_BYTES: usize = 8 << 20;
const SLOWLY: &str = "[backup]\njobs = 1\nmax_rate = \"5MiB\"\n";

/// Its directory, base/1, comes first of all databases.
const FIRST_DATABASE: &str = "template1";

const SUMS: &str = "select count(*), coalesce(sum(hashtext(t::text)), 0) from %";

pub fn changes_meanwhile(install: &'static Installation) -> Outcome {
    let builder = Server::builder(install).checksums(false).segment_mib(64).setting("archive_mode", "on");
    let server = builder.setting("autovacuum", "off").create()?;
    account().write(&server.data().join(FIRST), vec![b'x'; FIRST_BYTES], 0o600)?;
    server.start()?;
    let mut site = Site::new(&server)?;
    site.configure(SLOWLY)?;
    site.init()?;
    site.archive_from(&server)?;
    prepare(&server)?;

    let mut backup = Background::backup(&site, &server)?;
    backup.wait_open(&server.data().join(FIRST))?;
    // Stopped, it cannot be faster than the changes.
    backup.signal(Signal::STOP);
    let changed = change(&server);
    backup.signal(Signal::CONT);
    changed?;
    let rounds = keep_changing(&server, &mut backup)?;
    let run = backup.end()?.ok()?;
    let report = run.result()?;
    let seen = |field: &str| report[field].as_u64().unwrap_or(0);
    assert!(seen("vanished_files") >= 1, "the dropped table did not vanish\n{}", run.report());
    assert!(seen("shrunk_files") >= 1, "the vacuumed table did not shrink\n{}", run.report());
    assert!(rounds > 0, "nothing changed while it was copied");
    server.archive_all()?;
    check(install, &server, &site)
}

fn prepare(server: &Server) -> Outcome {
    for table in ["kept", "dropped", "truncated", "vacuumed", "grown", "rewritten"] {
        let rows =
            format!("create table {table} as select n, repeat(md5(n::text), 8) as x from generate_series(1, 3000) n");
        server.sql_in(FIRST_DATABASE, &rows)?;
        server.sql_in(FIRST_DATABASE, &format!("alter table {table} add primary key (n)"))?;
    }
    server.sql("checkpoint").map(drop)
}

/// Each by itself: what one statement does must reach the files before the next.
fn change(server: &Server) -> Outcome {
    for statement in [
        "drop table dropped",
        "checkpoint",
        "truncate truncated",
        "delete from vacuumed where n > 10",
        "vacuum (truncate) vacuumed",
        "insert into grown select n, repeat(md5(n::text), 8) from generate_series(3001, 20000) n",
        "vacuum full rewritten",
        "update kept set x = 'changed' where n % 3 = 0",
    ] {
        server.sql_in(FIRST_DATABASE, statement)?;
    }
    Ok(())
}

/// The same again and again, with databases and tablespaces, until the backup has ended.
fn keep_changing(server: &Server, backup: &mut Background) -> Outcome<usize> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let changes = scope.spawn(move || -> Outcome<usize> {
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) {
                round(server, rounds)?;
                rounds += 1;
            }
            Ok(rounds)
        });
        let ended = loop {
            match backup.has_ended() {
                Ok(false) if !changes.is_finished() => thread::sleep(Duration::from_millis(20)),
                ended => break ended,
            }
        };
        over.store(true, Ordering::Relaxed);
        let rounds = changes.join().unwrap_or_else(|_| Err("the changes panicked".into()));
        ended?;
        rounds
    })
}

fn round(server: &Server, number: usize) -> Outcome {
    let location = server.scratch().join(&format!("ts{number}"));
    account().make_dir(&location)?;
    let strategy = server.database_strategy(number);
    for statement in [
        format!("create tablespace passing location '{}'", location.display()),
        "create table passing tablespace passing as select generate_series(1, 5000) as n".to_owned(),
        format!("create database passing {strategy} template template1"),
        "checkpoint".to_owned(),
        "alter table passing set tablespace pg_default".to_owned(),
        "truncate passing".to_owned(),
        "drop tablespace passing".to_owned(),
        "drop table passing".to_owned(),
        "drop database passing".to_owned(),
    ] {
        server.sql(&statement)?;
    }
    let values = format!("insert into grown select n, 'round' from generate_series({0}000, {0}999) n", 100 + number);
    server.sql_in(FIRST_DATABASE, &values)?;
    server.sql_in(FIRST_DATABASE, "vacuum full rewritten").map(drop)
}

fn check(install: &'static Installation, server: &Server, site: &Site) -> Outcome {
    let scratch = Scratch::new()?;
    let target = scratch.join("target");
    let directory = target.display().to_string();
    site.run_with_identity(&["restore", "--to", "latest", "--target-dir", &directory])?.ok()?;
    let restored = Server::adopt(install, &target)?;
    restored.start()?;
    restored.wait_promoted()?;
    for table in ["kept", "truncated", "vacuumed", "grown", "rewritten"] {
        let sum = SUMS.replace('%', &format!("{table} t"));
        assert_eq!(restored.sql_in(FIRST_DATABASE, &sum)?, server.sql_in(FIRST_DATABASE, &sum)?, "{table}");
    }
    assert!(restored.sql_in(FIRST_DATABASE, "select from dropped").is_err(), "a dropped table is back");
    restored.amcheck()?;
    restored.stop(Shutdown::Fast)
}
