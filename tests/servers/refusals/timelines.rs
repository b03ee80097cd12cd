//! Timelines: histories that are missing, contradict each other or leave the backups aside.

use std::fs;

use pgcairn::model::key::Kind;

use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::{Server, Shutdown, run};
use super::super::support::site::{Run, Site};
use super::super::support::{Outcome, damage};
use super::edited::forge;
use super::{Document, backed_up, follow_pgcairn, make_unreadable, plan};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    server.archive_all()?;
    missing(&mut document, &site)?;
    branched_before(&mut document, &site, &server)?;
    promoted(&mut document, &site, &server)?;
    document.end()
}

fn push(site: &Site, server: &Server, name: &str, text: &str) -> Outcome<Run> {
    let path = server.data().join("pg_wal").join(name);
    account().write(&path, text, 0o600)?;
    let run = site.run(&["wal", "push", &path.display().to_string(), "--json"]);
    fs::remove_file(path)?;
    run
}

fn missing(document: &mut Document, site: &Site) -> Outcome {
    let fork = site.fork()?;
    let one = fork.object("000000010000000000000001.zst")?;
    let three = one.parent().unwrap().parent().unwrap().with_file_name("00000003").join("00000000");
    run(account().command("/bin/mkdir").arg("-p").arg(&three))?;
    run(account().command("/bin/cp").arg(&one).arg(three.join("000000030000000000000001.zst.age")))?;
    document.restore("a .history file in the middle is missing", &fork, &["--to", "latest"])?;
    plan(&fork, &["--to", "latest", "--timeline", "1"]).map(drop)
}

/// Histories that no server of this cluster wrote: handed over by hand.
fn branched_before(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let fork = site.fork()?;
    push(&fork, server, "00000002.history", "1\t0/1000100\tno recovery target specified\n")?.ok()?;
    document.restore("no backup in the timeline's history", &fork, &["--to", "latest"])?;
    plan(&fork, &["--to", "latest", "--timeline", "1"])?;
    let arguments = ["--to", "latest", "--timeline", "2", "--backup", "latest"];
    document.restore("--backup is not in the timeline's history", &fork, &arguments)?;
    plan(&fork, &["--to", "latest", "--timeline", "1", "--backup", "latest"])?;

    let other = push(&fork, server, "00000002.history", "1\t0/2000100\tno recovery target specified\n")?;
    document.compare("two servers were promoted to one timeline", &fork, other)?;
    another_name(&fork, server)?;

    let json = fork.object("00000002.timeline.json")?;
    damage::edit(&json, |bytes| *bytes = String::from_utf8_lossy(bytes).replace("0/1000100", "0/1000200").into())?;
    let arguments = ["--to", "latest", "--timeline", "2"];
    document.restore("a timeline.json does not say what the history says", &fork, &arguments)?;
    damage::edit(&json, |bytes| bytes.truncate(20))?;
    let planned = plan(&fork, &["--to", "latest", "--timeline", "1", "--json"])?;
    document.warned("a timeline.json is damaged", &fork, &planned, "not a timeline.json")?;
    fork.run(&["wal", "list"])?.ok()?.says(&["00000002.timeline.json is damaged: not a timeline.json"])?;
    document.refuses("expire beside a damaged timeline.json", &fork, &["expire", "--dry-run"])?;
    let pushed = push(&fork, server, "00000002.history", "1\t0/1000100\tno recovery target specified\n")?;
    document.compare("a history is archived beside a damaged timeline.json", &fork, pushed)?;
    make_unreadable(&json)?;
    // The hint's `check` looks at the server too, which does not archive into this copy.
    document.refuses("a timeline.json cannot be read", &fork, &["wal", "list"])?;
    fs::remove_file(&json)?;
    fork.run(&["wal", "list"])?.ok()?;

    forge(&fork, "wal/00000002/00000002.history", Kind::History, b"nonsense\n", |_| ())?;
    let hint = document.restore("a history in the repository is none", &fork, &arguments)?;
    follow_pgcairn(&hint).map(drop)
}

/// The conflict's hint: a name of its own, then `init`.
fn another_name(site: &Site, server: &Server) -> Outcome {
    let named = site.fork()?;
    let text = fs::read_to_string(named.config())?.replace("name = \"main\"", "name = \"other\"");
    account().write(&named.config(), text, 0o644)?;
    named.run(&["init"])?.ok()?;
    push(&named, server, "00000002.history", "1\t0/2000100\tno recovery target specified\n")?.ok().map(drop)
}

/// The server itself goes to timeline 2, and its history is lost.
fn promoted(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    server.stop(Shutdown::Fast)?;
    account().write(&server.data().join("standby.signal"), "", 0o600)?;
    server.start()?;
    server.sql("select pg_promote()")?;
    server.wait_promoted()?;
    site.run(&["backup"])?.ok()?;
    let lost = site.fork()?;
    for object in lost.objects("/00000002/00000002.")?.iter().chain(&lost.objects("00000002.timeline.json")?) {
        let _ = fs::remove_file(object);
    }
    assert!(lost.objects("00000002.history")?.is_empty());
    let hint = document.restore("the history of the backup's timeline is missing", &lost, &["--backup", "latest"])?;

    let (history, elsewhere) = (server.data().join("pg_wal/00000002.history"), site.path("00000002.history"));
    run(account().command("/bin/mv").arg(&history).arg(&elsewhere))?;
    lost.archive_from(server)?;
    let refused = document.refuses("a backup whose timeline has no history anywhere", &lost, &["backup"])?;
    assert!(refused.stdout.contains("pg_wal"), "{}", refused.report());
    run(account().command("/bin/mv").arg(&elsewhere).arg(&history))?;

    let command = hint.split(',').next().unwrap_or_default();
    follow_pgcairn(command)?;
    // It has made a key for this site as well.
    plan(&lost, &["--backup", "latest", "--trusted", &site.public_key()?])?;
    lost.run(&["backup"])?.ok()?;
    server.stop(Shutdown::Fast)
}
