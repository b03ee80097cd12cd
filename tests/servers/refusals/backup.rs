//! `backup`: cut off, unable to read, unable to store, or done with a defect.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::process::Signal;

use super::super::copy::background::Background;
use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::mounted::Mounted;
use super::super::support::server::{Server, Shutdown, run};
use super::super::support::site::Site;
use super::super::support::sql::query;
use super::super::support::wait::wait_for;
use super::super::support::{Outcome, full_length, small};
use super::{Document, follow, hint};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let server = Server::builder(install).setting("archive_mode", "on").setting("autovacuum", "off").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    server.sql("checkpoint")?;
    cut_off(&mut document, &site, &server)?;
    unreadable(&mut document, &site, &server)?;
    left_out(&mut document, &site, &server)?;
    damaged(&mut document, &site, &server)?;
    full_disk(&mut document, &server)?;
    stalled(&mut document, &site, &server)?;
    timelines(&mut document, &server)?;
    document.end()
}

/// A backup that takes about three seconds for what initdb makes.
fn slow(site: &Site) -> Outcome<Site> {
    let mut slow = site.fork()?;
    slow.configure("[backup]\nmax_rate = \"10MiB\"\n")?;
    Ok(slow)
}

fn cut_off(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let slow = slow(site)?;
    slow.archive_from(server)?;
    let mut backup = Background::backup(&slow, server)?;
    backup.signal(Signal::TERM);
    document.compare("SIGINT or SIGTERM", &slow, backup.end()?)?;
    let mut backup = Background::backup(&slow, server)?;
    server.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where pid <> pg_backend_pid() and backend_type = 'client backend'",
    )?;
    let mut run = backup.end()?;
    // Whether its last words still arrive is a matter of chance.
    run.stdout = run.stdout.replace("session: terminating connection due to administrator command", "session");
    document.compare("the server ends the session during a backup", &slow, run.clone())?;
    follow(server, &hint(&run)?)?;
    site.archive_from(server)?;
    canceled(document, site, server)?;
    site.run(&["backup"])?.ok().map(drop)
}

/// A statement waits for a lock, and somebody cancels it.
fn canceled(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let mut locker = server.client()?;
    query(&mut locker, "begin")?;
    query(&mut locker, "lock table pg_tablespace in access exclusive mode")?;
    let mut backup = Background::start(site, &["backup", "--json"])?;
    wait_for("a statement to wait", || {
        let canceled = "select count(pg_cancel_backend(pid)) from pg_stat_activity \
                        where application_name = 'pgcairn' and wait_event_type = 'Lock'";
        Ok((server.value(canceled)? == "1").then_some(()))
    })?;
    let run = backup.end()?;
    query(&mut locker, "rollback")?;
    document.compare("the server refuses a statement", site, run).map(drop)
}

/// Files and directories of the data directory that cannot be read.
fn unreadable(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let file = server.data().join(server.value("select pg_relation_filepath('t')")?);
    chmod(&file, "0000")?;
    let refused = document.refuses("a file of the data directory may not be read", site, &["backup"])?;
    follow(server, &hint(&refused)?)?;
    chmod(&file, "0600")?;

    let deep = server.data().join("d").join(vec!["d"; 70].join("/"));
    run(account().command("/bin/mkdir").arg("-p").arg(deep))?;
    document.refuses("directories without end", site, &["backup"])?;
    run(account().command("/bin/rm").arg("-r").arg(server.data().join("d")))?;

    let place = server.scratch().join("ts");
    account().make_dir(&place)?;
    server.sql(&format!("create tablespace fast location '{}'", place.display()))?;
    let version = fs::read_dir(&place)?.next().ok_or("an empty tablespace")??.path();
    fs::rename(&version, place.with_file_name("away"))?;
    let refused = document.refuses("a tablespace is not mounted", site, &["backup"])?;
    follow(server, &hint(&refused)?)?;
    fs::rename(place.with_file_name("away"), &version)?;

    let (base, elsewhere) = (server.data().join("base"), server.scratch().join("base"));
    server.stop(Shutdown::Fast)?;
    fs::rename(&base, &elsewhere)?;
    run(account().command("/bin/ln").arg("-s").arg(&elsewhere).arg(&base))?;
    server.start()?;
    document.refuses("a directory of the data directory is a link", site, &["backup"])?;
    server.stop(Shutdown::Fast)?;
    fs::remove_file(&base)?;
    fs::rename(&elsewhere, &base)?;
    server.start()?;
    site.run(&["backup"])?.ok().map(drop)
}

/// Said aloud, and the backup goes on.
fn left_out(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let mut odd = site.fork()?;
    odd.archive_from(server)?;
    let closed = odd.path("closed.conf");
    account().write(&closed, "", 0o000)?;
    odd.configure(&format!("[backup]\ninclude = [{closed:?}]\n"))?;
    let (link, fifo) = (server.data().join("odd-link"), server.data().join("odd-fifo"));
    run(account().command("/bin/ln").args(["-s", "/usr/share/doc"]).arg(&link))?;
    run(account().command("/usr/bin/mkfifo").arg(&fifo))?;
    let backup = odd.run(&["backup", "--json"])?.ok()?;
    for (when, said) in [
        ("a configuration file cannot be captured", "closed.conf"),
        ("a link in the data directory", "odd-link"),
        ("a special file in the data directory", "odd-fifo"),
    ] {
        document.warned(when, &odd, &backup, said)?;
    }
    [link, fifo].iter().try_for_each(fs::remove_file)?;
    chmod(&closed, "0600")?;
    let clean = odd.run(&["backup", "--json"])?.ok()?;
    assert!(!clean.stdout.contains("\"warning\""), "{}", clean.report());
    site.archive_from(server)
}

/// A page of the live database.
fn damaged(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    server.sql("create table broken as select generate_series(1, 1000) as n")?;
    let file = server.data().join(server.value("select pg_relation_filepath('broken')")?);
    server.stop(Shutdown::Fast)?;
    OpenOptions::new().write(true).open(&file)?.write_all_at(b"damaged!", 8192 + 4000)?;
    server.start()?;
    let run = site.run(&["backup"])?.status_is(3)?;
    let next = document.flawed("a page of the live database is damaged", site, &run)?;
    assert!(follow(server, &next)?.contains("block 1 "));
    server.sql("drop table broken")?;
    server.sql("checkpoint")?;
    site.run(&["backup"])?.ok().map(drop)
}

/// Needs the right to mount.
fn full_disk(document: &mut Document, server: &Server) -> Outcome {
    let mut site = Site::new(server)?;
    // Of several workers any object could be the first that finds no room.
    site.configure("[backup]\njobs = 1\n")?;
    let part = (server.install.major, "refusals::backup full disk");
    let Some(_small) = Mounted::for_part(&site.repository(), "size=1m", part)? else { return Ok(()) };
    site.init()?;
    document.refuses("the repository's disk is full during a backup", &site, &["backup"]).map(drop)
}

/// Takes the minute that it speaks of.
fn stalled(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    if full_length() {
        server.append_setting("archive_command", "'exit 7 # %p'")?;
        server.reload()?;
        let failed = document.refuses("WAL does not arrive during a backup", site, &["backup"])?;
        assert!(hint(&failed)?.contains("pgcairn"));
        site.archive_from(server)?;
    }
    Ok(())
}

fn timelines(document: &mut Document, server: &Server) -> Outcome {
    server.append_setting("archive_command", "''")?;
    server.reload()?;
    server.stop(Shutdown::Fast)?;
    account().write(&server.data().join("standby.signal"), "", 0o600)?;
    server.start()?;
    let slow = slow(&Site::new(server).and_then(|site| site.init().map(|()| site))?)?;
    server.append_setting("archive_command", &slow.archive_command())?;
    server.reload()?;
    let mut backup = Background::start(&slow, &["backup", "--json"])?;
    small::wait_object(&slow, "/packs/")?;
    server.sql("select pg_promote()")?;
    server.wait_promoted()?;
    document.compare("the standby is promoted during a backup", &slow, backup.end()?)?;

    let site = Site::new(server)?;
    site.init()?;
    site.archive_from(server)?;
    let history: PathBuf = server.data().join("pg_wal/00000002.history");
    let kept = fs::read(&history)?;
    fs::remove_file(&history)?;
    site.objects(".history")?.iter().try_for_each(fs::remove_file)?;
    site.objects("timeline.json")?.iter().try_for_each(fs::remove_file)?;
    document.refuses("the history of the timeline is nowhere", &site, &["backup"])?;
    account().write(&history, kept, 0o600)?;
    site.run(&["backup"])?.ok().map(drop)
}

fn chmod(path: &std::path::Path, mode: &str) -> Outcome {
    run(account().command("/bin/chmod").arg(mode).arg(path)).map(drop)
}
