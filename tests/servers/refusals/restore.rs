//! `restore`: what cannot be reached, and where nothing may be written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::mounted::Mounted;
use super::super::support::server::{Server, Shutdown, run};
use super::super::support::site::Site;
use super::super::support::{Outcome, damage, summary};
use super::{Document, archiving, follow_pgcairn, hint, proposed, restore_words};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = archiving(install)?;
    account().make_dir(&server.scratch().join("ts"))?;
    server.sql(&format!("create tablespace fast location '{}'", server.scratch().join("ts").display()))?;
    server.sql("create table f (n int) tablespace fast")?;
    site.run(&["backup"])?.ok()?;
    server.sql("create table t as select generate_series(1, 10) as n")?;
    server.sql("select pg_create_restore_point('before-deploy')")?;
    site.run(&["backup"])?.ok()?;
    server.sql("insert into t values (11)")?;
    let last = server.archive_all()?;

    identities(&mut document, &site)?;
    targets(&mut document, &site)?;
    places(&mut document, &site, &server)?;
    holes(&mut document, &site, &last)?;
    objects(&mut document, &site)?;
    server.stop(Shutdown::Fast)?;
    document.end()
}

fn plan(site: &Site, arguments: &[&str]) -> Outcome {
    let moved = tablespace_argument(site);
    super::plan(site, &[arguments, &["--tablespace", &moved]].concat()).map(drop)
}

fn tablespace_argument(site: &Site) -> String {
    let old = site.data().with_file_name("ts");
    format!("{}={}", old.display(), site.path("new-ts").display())
}

fn identities(document: &mut Document, site: &Site) -> Outcome {
    let words = restore_words(site, &["--to", "latest"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    document.refuses("restore without an identity", site, &words)?;
    let other = site.path("other-identity");
    site.run(&["key", "generate", "--output", &other.display().to_string()])?.ok()?;
    let other = other.display().to_string();
    document.restore("restore with another identity", site, &["--to", "latest", "--identity", &other])?;
    plan(site, &["--to", "latest"])
}

fn targets(document: &mut Document, site: &Site) -> Outcome {
    document.restore("a time before the oldest backup", site, &["--to", "2020-01-01T00:00:00Z"])?;
    let refused = document.restore("a time after the last transaction", site, &["--to", "2099-01-01T00:00:00Z"])?;
    let latest = refused.split('\'').nth(1).ok_or("the hint names no time")?;
    plan(site, &["--to", latest])?;
    document.restore("an LSN beyond the archive", site, &["--to-lsn", "FF/0"])?;
    document.restore("a transaction that WAL does not know", site, &["--to-xid", "999999"])?;
    document.restore("a restore point that is not there", site, &["--to-name", "before-lunch"])?;
    document.restore(
        "a restore point before the given backup",
        site,
        &["--to-name", "before-deploy", "--backup", "latest"],
    )?;
    plan(site, &["--to-name", "before-deploy"])?;
    document.restore("an LSN before the given backup", site, &["--to-lsn", "0/2000000", "--backup", "latest"])?;
    follow_pgcairn(&document.restore("no backup of this id", site, &["--backup", "2019"])?)?;
    document.restore("several backups of this id", site, &["--backup", "20"])?;
    let hint = document.restore("a timeline that is not there", site, &["--to", "latest", "--timeline", "7"])?;
    follow_pgcairn(&hint)?;
    Ok(())
}

fn places(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    document.restore(
        "a tablespace that the backup does not have",
        site,
        &["--to", "latest", "--tablespace", "/a=/b"],
    )?;
    document.restore("the tablespace's directory holds files", site, &["--to", "latest"])?;
    let moved = tablespace_argument(site);
    let here = ["--to", "latest", "--tablespace", &moved];
    account().make_dir(&site.path("new"))?;
    account().write(&site.path("new").join("notes.txt"), "x", 0o600)?;
    document.restore("the target holds files", site, &here)?;
    fs::remove_dir_all(site.path("new"))?;
    let data = server.data().display().to_string();
    let words = [&["restore", "--target-dir", &data], &here[..]].concat();
    document.refuses_with_identity("a server runs on the target", site, &words)?;
    unusable(document, site, &here)?;
    if is_root() {
        small_disk(document, site, server, &moved)?;
    } else {
        summary::left_out(server.install.major, "refusals::restore small disk", "only root may mount");
    }
    Ok(())
}

/// Directories that cannot be made, read or had alone.
fn unusable(document: &mut Document, site: &Site, here: &[&str]) -> Outcome {
    let into = |target: &Path| {
        let target = target.display().to_string();
        [&["restore", "--target-dir"], &[target.as_str()][..], here].concat().into_iter().map(str::to_owned).collect()
    };
    let mut refused = |when: &str, target: &Path| -> Outcome<String> {
        let words: Vec<String> = into(target);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        hint(&document.refuses_with_identity(when, site, &words)?)
    };
    let deep = site.path("none").join("new");
    let command = refused("the directory above the target is not there", &deep)?;
    run(account().command("/bin/sh").args(["-c", &command]))?;
    assert!(site.path("none").is_dir(), "{command}");

    account().write(&site.path("file"), "", 0o600)?;
    refused("the target is a file", &site.path("file"))?;

    account().make_dir(&site.path("closed"))?;
    fs::set_permissions(site.path("closed"), Permissions::from_mode(0o000))?;
    refused("the target may not be read", &site.path("closed"))?;
    fs::set_permissions(site.path("closed"), Permissions::from_mode(0o500))?;
    let command = refused("the target may not be made", &site.path("closed").join("new"))?;
    run(account().command("/bin/sh").args(["-c", &command]))?;

    account().make_dir(&site.path("new"))?;
    let held = fs::File::open(site.path("new"))?;
    flock(&held, FlockOperation::LockExclusive)?;
    refused("another restore into this directory is at work", &site.path("new"))?;
    drop(held);
    Ok(fs::remove_dir(site.path("new"))?)
}

/// Needs the right to mount.
fn small_disk(document: &mut Document, site: &Site, server: &Server, moved: &str) -> Outcome {
    let part = (server.install.major, "refusals::restore small disk");
    let Some(small) = Mounted::for_part(&site.path("small"), "size=1m", part)? else { return Ok(()) };
    let target = small.path().join("new").display().to_string();
    let words = ["restore", "--target-dir", &target, "--to", "latest", "--tablespace", moved];
    document.refuses_with_identity("too little disk", site, &words).map(drop)
}

fn holes(document: &mut Document, site: &Site, last: &str) -> Outcome {
    let moved = tablespace_argument(site);
    let latest = ["--to", "latest", "--tablespace", &moved];
    let gap = site.fork()?;
    // The one before the last: the archive goes on after it.
    let before = u32::from_str_radix(&last[16..], 16)? - 1;
    fs::remove_file(gap.object(&format!("{}{before:08X}.zst", &last[..16]))?)?;
    let hint = document.restore("a WAL segment is missing, others follow", &gap, &latest)?;
    super::plan(&gap, &["--to-lsn", proposed(&hint, "--to-lsn ")?, "--tablespace", &moved])?;
    let damaged = site.fork()?;
    flip_end(&damaged.object(&format!("{last}.zst"))?)?;
    let hint = document.restore("a WAL segment is damaged in the repository", &damaged, &latest)?;
    super::plan(&damaged, &["--to-lsn", proposed(&hint, "--to-lsn ")?, "--tablespace", &moved])?;
    Ok(())
}

/// Each kind of object of the latest backup, missing and damaged; nothing that was begun can be started. Two backups of
/// one second are not in the order of their ids: the latest is asked for.
fn objects(document: &mut Document, site: &Site) -> Outcome {
    let shown = site.run(&["show", "latest", "--json"])?.ok()?.json()?;
    let latest = shown.get("id").and_then(|id| id.as_str()).ok_or("no id")?.to_owned();
    for (when, kind, is_there) in [
        ("a pack is missing", "packs", false),
        ("a pack is damaged", "packs", true),
        ("a manifest part is missing", "manifests", false),
        ("a manifest part is damaged", "manifests", true),
        ("a digest part is damaged", "digests", true),
    ] {
        let fork = site.fork()?;
        let object = fork.objects(&format!("/{kind}/{latest}/"))?.pop().ok_or("no object of this kind")?;
        match is_there {
            true => flip_end(&object)?,
            false => fs::remove_file(&object)?,
        }
        let moved = tablespace_argument(&fork);
        document.restore(when, &fork, &["--backup", "latest", "--tablespace", &moved])?;
        assert!(!fork.path("new").join("global/pg_control").exists(), "{when}: the target can be started");
    }
    Ok(())
}

fn flip_end(object: &Path) -> Outcome {
    damage::edit(object, |bytes| *bytes.last_mut().unwrap() ^= 1)
}
