//! A start ends at the very record that the plan names, whatever kind of target it is: the server's own log is compared
//! with the plan.

use postgres::Client;

use crate::refusals::Document;
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::{Run, Site};
use crate::support::{Outcome, full_length};

use super::copy::{self, Copy};

/// Savepoints that a snapshot has no room for (`PGPROC_MAX_CACHED_SUBXIDS`).
const MANY_SAVEPOINTS: u32 = 70;

const NOW: &str = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

fn archiving(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table t (n int)")?;
    Ok((server, site))
}

/// Inserts one row in a transaction that ends as it is told; its number.
fn transaction(client: &mut Client, end: &str) -> Outcome<String> {
    client.batch_execute("begin; insert into t values (1)")?;
    let xid: String = client.query_one("select txid_current()::text", &[])?.try_get(0)?;
    end.split("; ").try_for_each(|end| client.batch_execute(end))?;
    Ok(xid)
}

pub fn every_kind(install: &'static Installation) -> Outcome {
    let (server, site) = archiving(install)?;
    site.run(&["backup"])?.ok()?;
    let mut client = server.client()?;
    let first = transaction(&mut client, "commit")?;
    let (time, lsn) = (server.value(NOW)?, server.value("select pg_current_wal_insert_lsn()")?);
    let prepared = transaction(&mut client, "prepare transaction 'p'; commit prepared 'p'")?;
    server.sql("select pg_create_restore_point('a point')")?;
    let aborted = transaction(&mut client, "rollback")?;
    transaction(&mut client, "commit")?;
    server.archive_all()?;

    let always: [(&[&str], &str); 4] = [
        (&["--before-xid", &first], "0"),
        (&["--to-xid", &prepared], "2"),
        (&["--to", &time], "1"),
        (&["--to-lsn", &lsn, "--exclusive"], "1"),
    ];
    let more: [(&[&str], &str); 5] = [
        (&["--to-xid", &first], "1"),
        (&["--to-xid", &aborted], "2"),
        (&["--to-lsn", &lsn], "1"),
        (&["--to-name", "a point"], "2"),
        (&["--backup", "latest"], "0"),
    ];
    let targets = always.into_iter().chain(more.into_iter().filter(|_| full_length()));
    for (number, (target, rows)) in targets.enumerate() {
        let arguments = [target, &["--json"]].concat();
        let mut start = copy::command(copy::owner(), &site, install, &format!("copy{number}"), &arguments);
        let copy = Copy::of(&mut start)?;
        assert_eq!(
            (copy.value("select count(*) from t")?.as_str(), &copy.started["is_open"]),
            (rows, &false.into()),
            "{target:?}"
        );
    }
    Ok(())
}

/// Where no session can be let in at the target, PostgreSQL opens instead of standing there: that is told.
pub fn opened_instead(install: &'static Installation) -> Outcome {
    let (server, site) = archiving(install)?;
    let mut busy = server.client()?;
    busy.batch_execute("begin; insert into t values (0)")?;
    for number in 0..MANY_SAVEPOINTS {
        busy.batch_execute(&format!("savepoint s{number}; insert into t values ({number})"))?;
    }
    site.run(&["backup"])?.ok()?;
    server.archive_all()?;
    let mut start = copy::command(copy::owner(), &site, install, "copy", &["--backup", "latest", "--json"]);
    let run = Run::of(&mut start)?.ok()?;
    let copy = Copy::said(&run)?;
    assert_eq!(copy.started["is_open"], true, "{}", run.report());
    let mut document = Document::new();
    document.warned("--start: the copy cannot stand at its target", &site, &run, "opened")?;
    assert_eq!(copy.value("select count(*) from t")?, "0");
    document.end()
}
