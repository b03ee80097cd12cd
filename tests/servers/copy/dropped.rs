//! A tablespace that is dropped between the start of a backup and the walk's arrival: the server's map names it, the
//! copy has none.

use std::fs;

use rustix::process::Signal;

use super::background::Background;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;

/// Before `base` in the order of names, and more than workers and their queue take: the walk waits in front of them.
const FIRST: [&str; 7] = ["aaa", "aab", "aac", "aad", "aae", "aaf", "aag"];
const FIRST_BYTES: usize = 16 << 20;
const SLOWLY: &str = "[backup]\njobs = 1\nmax_rate = \"24MiB\"\n";

pub fn tablespace_dropped_meanwhile(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").create()?;
    for name in FIRST {
        account().write(&server.data().join(name), vec![0; FIRST_BYTES], 0o600)?;
    }
    server.start()?;
    let mut site = Site::new(&server)?;
    site.configure(SLOWLY)?;
    site.init()?;
    site.archive_from(&server)?;
    let location = server.scratch().join("fast");
    account().make_dir(&location)?;
    let create = |name: &str| server.sql(&format!("create tablespace {name} location '{}'", location.display()));
    create("fast")?;
    server.sql("create table kept tablespace fast as select n from generate_series(1, 1000) n")?;

    let mut backup = Background::backup(&site, &server)?;
    backup.wait_open(&server.data().join(FIRST[0]))?;
    backup.signal(Signal::STOP);
    let dropped = ["alter table kept set tablespace pg_default", "checkpoint", "drop tablespace fast"]
        .iter()
        .try_for_each(|statement| server.sql(statement).map(drop));
    backup.signal(Signal::CONT);
    dropped?;
    backup.end()?.ok()?;
    // The directory is in use again.
    create("another")?;
    server.sql("create table mine tablespace another as select n from generate_series(1, 1000) n")?;

    let scratch = Scratch::new()?;
    let target = scratch.join("target");
    let directory = target.display().to_string();
    site.run_with_identity(&["restore", "--backup", "latest", "--target-dir", &directory])?.ok()?;
    assert!(!target.join("tablespace_map").exists(), "PostgreSQL would link to the origin's tablespace");
    let restored = Server::adopt(install, &target)?;
    restored.start()?;
    restored.wait_paused()?;
    assert_eq!(restored.value("select count(*) from kept")?, "1000");
    assert_eq!(fs::read_dir(target.join("pg_tblspc"))?.count(), 0);
    restored.stop(Shutdown::Fast)?;
    assert_eq!(server.value("select count(*) from mine")?, "1000");
    server.amcheck()
}
