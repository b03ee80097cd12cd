//! Repositories of every released format stay in `fixtures/repository/` and must restore for ever.
//!
//! `PGCAIRN_FREEZE=1 cargo test --test servers -- pg15::frozen` makes those of the present format that are
//! not there yet; one that is there is never made again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, run};
use crate::support::site::{Site, binary};
use crate::support::{Outcome, Scenario, skip};

/// Directory, whether it is encrypted. The list is complete: what else lies there fails the trial.
const FROZEN: [(&str, bool); 2] = [("format-1-age", true), ("format-1-plain", false)];
/// The server that they were made with.
const MAJOR: u32 = 15;

const ROWS_IN_BACKUP: u32 = 1000;
const ROWS_AT_POINT: u32 = 1500;
const RESTORE_POINT: &str = "frozen";
/// Of all rows up to the restore point.
const DIGEST: &str = "select md5(string_agg(id || ':' || note, ',' order by id)) from frozen";

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "frozen::repositories_restore", run: repositories_restore }]
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/repository")
}

fn repositories_restore(install: &'static Installation) -> Outcome {
    if install.major != MAJOR {
        return skip(format!("the frozen repositories are of PostgreSQL {MAJOR}"));
    }
    for (name, encrypted) in FROZEN {
        let frozen = fixtures().join(name);
        if std::env::var_os("PGCAIRN_FREEZE").is_some() && !frozen.exists() {
            freeze(install, &frozen, encrypted)?;
        }
        restores(install, &frozen, encrypted)?;
    }
    let mut there: Vec<String> = Vec::new();
    for entry in fs::read_dir(fixtures())? {
        there.push(entry?.file_name().to_string_lossy().into_owned());
    }
    there.sort();
    let expected: Vec<&str> = FROZEN.iter().map(|(name, _)| *name).collect();
    if there == expected {
        Ok(())
    } else {
        Err(format!("fixtures/repository holds {there:?}, not {expected:?}").into())
    }
}

/// The fixture is copied first: it is read by the account of the servers, and must not change.
fn restores(install: &'static Installation, frozen: &Path, encrypted: bool) -> Outcome {
    let scratch = Scratch::new()?;
    run(std::process::Command::new("cp").arg("-r").arg(frozen).arg(scratch.join("frozen")))?;
    run(std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(scratch.join("frozen")))?;
    let identity = scratch.join("identity");
    if encrypted {
        account().write(&identity, fs::read(frozen.join("identity-for-tests"))?, 0o600)?;
    }
    let (target, repository) = (scratch.join("restored"), scratch.join("frozen/repository"));
    let mut restore = account().command(binary());
    restore.arg("restore").arg("--repository").arg(format!("file://{}", repository.display()));
    restore.args(["--to-name", RESTORE_POINT, "--action", "promote", "--target-dir"]).arg(&target);
    if encrypted {
        restore.arg("--identity").arg(&identity);
    }
    run(&mut restore)?;
    let server = Server::adopt(install, &target)?;
    server.start()?;
    server.wait_promoted()?;
    let count = server.value("select count(*) from frozen")?;
    let digest = server.value(DIGEST)?;
    let expected = fs::read_to_string(frozen.join("digest"))?;
    if (count.as_str(), digest.as_str()) == (ROWS_AT_POINT.to_string().as_str(), expected.trim()) {
        return Ok(());
    }
    Err(format!("{}: {count} rows with digest {digest}, not {ROWS_AT_POINT} with {expected}", frozen.display()).into())
}

/// A backup, WAL up to a restore point and beyond.
fn freeze(install: &'static Installation, frozen: &Path, encrypted: bool) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = if encrypted { Site::new(&server)? } else { Site::unencrypted(&server)? };
    site.init()?;
    site.archive_from(&server)?;
    let insert =
        |from: u32, to: u32| format!("insert into frozen select i, md5(i::text) from generate_series({from}, {to}) i");
    server.sql("create table frozen (id int primary key, note text)")?;
    server.sql(&insert(1, ROWS_IN_BACKUP))?;
    site.run(&["backup", "--label", "frozen=yes"])?.ok()?;
    server.sql(&insert(ROWS_IN_BACKUP + 1, ROWS_AT_POINT))?;
    let digest = server.value(DIGEST)?;
    server.sql(&format!("select pg_create_restore_point('{RESTORE_POINT}')"))?;
    server.sql(&insert(ROWS_AT_POINT + 1, ROWS_AT_POINT + 100))?;
    site.run(&["wal", "flush"])?.ok()?;
    fs::create_dir_all(frozen)?;
    run(std::process::Command::new("cp").arg("-r").arg(site.repository()).arg(frozen.join("repository")))?;
    if encrypted {
        fs::copy(site.identity(), frozen.join("identity-for-tests"))?;
    }
    Ok(fs::write(frozen.join("digest"), format!("{digest}\n"))?)
}
