//! Retention on an S3-compatible store whose answers are lost, cut and refused on their way.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::server::{Fault, S3Server};
use super::{archiving, discreet};
use crate::refusals::Document;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Outcome, small};

/// What a backup older than a moment rests on is the newest of them.
const POLICY: &str = "[backup]\njobs = 1\n[retention]\nrecovery_window = \"1s\"\nminimum = 1\n";

/// By the clock of a store that was never set.
const ANOTHER_DAY: Option<&str> = Some("Fri, 20 Nov 2020 03:10:00 GMT");

pub fn retention(install: &'static Installation) -> Outcome {
    let store = S3Server::start();
    let (server, mut site) = archiving(install, &store)?;
    site.configure(POLICY)?;
    server.sql("create table seen (n int)")?;
    let mut ids = Vec::new();
    for number in 0..3 {
        server.sql(&format!("insert into seen values ({number})"))?;
        server.archive_all()?;
        ids.push(small::backup(&site)?);
    }
    // The window, and a second more: the store tells the time in whole ones.
    std::thread::sleep(Duration::from_secs(2));
    site.run(&["hold", &ids[0], "--reason", "case 7"])?.ok()?;
    let mut document = Document::new();
    store.say_stored(ANOTHER_DAY);
    document.refuses("expire where the clocks differ", &site, &["expire"])?;
    site.run(&["expire", "--yes"])?.ok()?.says(&["dropped 0 backups"])?;
    store.say_stored(None);
    discreet(site.run(&["expire", "--yes"])?)?.ok()?.says(&["dropped 1 backup"])?;
    store.say_stored(ANOTHER_DAY);
    document.refuses("undelete where the clocks differ", &site, &["undelete", &ids[1]])?;
    store.say_stored(None);
    document.end()?;
    discreet(site.run(&["undelete", &ids[1]])?)?.ok()?;
    assert_eq!(listed(&site)?, ids);
    site.run(&["release", &ids[1]])?.ok()?;
    broken_answers(&store);
    discreet(site.run(&["expire", "--yes"])?)?.ok()?;
    assert_eq!(listed(&site)?, [ids[0].clone(), ids[2].clone()]);
    stored_long_ago(&store, &ids[1])?;
    broken_answers(&store);
    discreet(site.run(&["expire", "--json"])?)?.ok()?;
    store.clear();
    site.run(&["expire"])?.ok()?;
    let left = objects(&store, &ids[1])?;
    assert!(left.is_empty(), "the dropped one is deleted: {left:?}");
    assert!(objects(&store, &ids[0])?.len() > 3 && objects(&store, "/runs/")?.is_empty());
    for (id, rows) in [(&ids[0], "1"), (&ids[2], "3")] {
        assert_eq!(rows_of(install, &site, id)?, rows);
    }
    site.run(&["release", &ids[0]])?.ok()?;
    store.deny("PUT");
    discreet(site.run(&["expire", "--now", "--yes"])?)?.ok()?;
    store.clear();
    assert!(objects(&store, &ids[0])?.is_empty(), "nothing need be written to delete");
    assert_eq!(rows_of(install, &site, &ids[2])?, "3");
    Ok(())
}

fn broken_answers(store: &S3Server) {
    store.ambush("DELETE", "/backups/", &[Fault::AnswerLost]);
    store.ambush("DELETE", "/packs/", &[Fault::AnswerLost, Fault::Refuse(503, "SlowDown")]);
    store.ambush("PUT", "/trash/", &[Fault::AnswerLost]);
    store.ambush("PUT", "/condemned/", &[Fault::Closed]);
    store.ambush("GET", "/objects/", &[Fault::BodyCut]);
    store.ambush("GET", "list-type", &[Fault::Refuse(503, "SlowDown"), Fault::BodyCut]);
}

fn listed(site: &Site) -> Outcome<Vec<String>> {
    let list = site.run(&["list", "--json"])?.ok()?.json()?;
    let id = |row: &serde_json::Value| row["id"].as_str().unwrap_or_default().to_owned();
    Ok(list["backups"].as_array().into_iter().flatten().map(id).collect())
}

/// Files below the store's own directory whose path contains this.
fn objects(store: &S3Server, containing: &str) -> Outcome<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![store.directory.path().join("buckets/backups")]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path),
            }
        }
    }
    found.retain(|path| path.to_string_lossy().contains(containing));
    Ok(found)
}

/// The grace time of a backup is over.
fn stored_long_ago(store: &S3Server, id: &str) -> Outcome {
    let when = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    for containing in ["/trash/", "/condemned/", id] {
        for object in objects(store, containing)? {
            fs::File::options().write(true).open(object)?.set_modified(when)?;
        }
    }
    Ok(())
}

fn rows_of(install: &'static Installation, site: &Site, id: &str) -> Outcome<String> {
    let room = Scratch::new()?;
    let data = room.join("restored");
    let target = data.display().to_string();
    let words = ["restore", "--target-dir", &target, "--backup", id, "--action", "promote"];
    discreet(site.run_with_identity(&words)?)?.ok()?;
    let copy = Server::adopt(install, &data)?;
    copy.start()?;
    copy.wait_promoted()?;
    copy.value("select count(*) from seen")
}
