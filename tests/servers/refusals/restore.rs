//! `restore`: what cannot be reached, and where nothing may be written.

use std::fs;
use std::path::Path;

use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::server::{Server, Shutdown, run};
use super::super::support::site::Site;
use super::super::support::{Outcome, damage};
use super::{Document, hint};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
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
    timelines(&mut document, &site)?;
    server.stop(Shutdown::Fast)?;
    document.end()
}

fn restore(site: &Site, arguments: &[&str]) -> Vec<String> {
    let target = site.path("new").display().to_string();
    let all = ["restore", "--target-dir", &target].into_iter().chain(arguments.iter().copied());
    all.map(str::to_owned).collect()
}

impl Document {
    fn restore(&mut self, when: &str, site: &Site, arguments: &[&str]) -> Outcome<String> {
        let words = restore(site, arguments);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        hint(&self.refuses_with_identity(when, site, &words)?)
    }
}

/// The plan alone: shows that these arguments are taken.
fn plan(site: &Site, arguments: &[&str]) -> Outcome {
    let moved = tablespace_argument(site);
    let words = restore(site, &[arguments, &["--plan", "--tablespace", &moved]].concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    site.run_with_identity(&words)?.ok().map(drop)
}

fn tablespace_argument(site: &Site) -> String {
    let old = site.data().with_file_name("ts");
    format!("{}={}", old.display(), site.path("new-ts").display())
}

fn identities(document: &mut Document, site: &Site) -> Outcome {
    let words = restore(site, &["--to", "latest"]);
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
    document.restore("no backup of this id", site, &["--backup", "2019"])?;
    document.restore("several backups of this id", site, &["--backup", "20"])?;
    document.restore("a timeline that is not there", site, &["--to", "latest", "--timeline", "7"])?;
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
    if is_root() {
        small_disk(document, site, &moved)?;
    }
    Ok(())
}

/// Needs the right to mount.
fn small_disk(document: &mut Document, site: &Site, moved: &str) -> Outcome {
    let small = site.path("small");
    account().make_dir(&small)?;
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&small);
    if run(&mut mount).is_err() {
        return Ok(());
    }
    account().own(&small)?;
    let target = small.join("new").display().to_string();
    let words = ["restore", "--target-dir", &target, "--to", "latest", "--tablespace", moved];
    let said = document.refuses_with_identity("too little disk", site, &words);
    run(std::process::Command::new("umount").arg(&small))?;
    said.map(drop)
}

fn holes(document: &mut Document, site: &Site, last: &str) -> Outcome {
    let moved = tablespace_argument(site);
    let latest = ["--to", "latest", "--tablespace", &moved];
    let gap = site.fork()?;
    // The one before the last: the archive goes on after it.
    let before = u32::from_str_radix(&last[16..], 16)? - 1;
    fs::remove_file(gap.object(&format!("{}{before:08X}.zst", &last[..16]))?)?;
    let hint = document.restore("a WAL segment is missing, others follow", &gap, &latest)?;
    let lsn = hint.split_whitespace().find(|word| word.contains('/') && word.len() < 18).unwrap_or_default().to_owned();
    assert!(!lsn.is_empty(), "{hint}");
    let damaged = site.fork()?;
    flip_end(&damaged.object(&format!("{last}.zst"))?)?;
    document.restore("a WAL segment is damaged in the repository", &damaged, &latest)?;
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

fn timelines(document: &mut Document, site: &Site) -> Outcome {
    let fork = site.fork()?;
    let one = fork.object("000000010000000000000001.zst")?;
    let three = one.parent().unwrap().parent().unwrap().with_file_name("00000003").join("00000000");
    run(account().command("/bin/mkdir").arg("-p").arg(&three))?;
    run(account().command("/bin/cp").arg(&one).arg(three.join("000000030000000000000001.zst.age")))?;
    document.restore("a .history file in the middle is missing", &fork, &["--to", "latest"])?;
    Ok(())
}
