//! The whole way on an S3-compatible store, served over HTTP from this process: init, archiving and a backup under
//! load, listing, a restore to a time; with every request counted.

/// Shared with the conformance suite of stores.
#[path = "../../store/s3/server.rs"]
#[allow(dead_code)]
pub mod server;

#[path = "../../store/s3/moto_server.rs"]
#[allow(dead_code)]
mod moto_server;

mod attack;
mod copied;
mod hidden;
mod memory;
mod policy;
mod retention;
mod verified;

use std::collections::BTreeMap;
use std::time::Duration;

use super::support::account::account;
use super::support::majors::Installation;
use super::support::scratch::Scratch;
use super::support::server::Server;
use super::support::site::{Run, Site};
use super::support::{Outcome, Scenario, full_length, ledger, skip};
use hidden::Hidden;
use server::{ACCESS_KEY, BUCKET, Fault, REGION, S3Server, SECRET_KEY, session_token};

/// How long sessions write while the backup is taken.
const LOAD: Duration = Duration::from_secs(2);

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "s3::whole_cycle", run: whole_cycle },
        Scenario { name: "s3::requests", run: requests },
        Scenario { name: "s3::large_segments", run: large_segments },
        Scenario { name: "s3::memory", run: memory::stalled_objects },
        Scenario { name: "s3::copied", run: copied::copied },
        Scenario { name: "s3::attack", run: attack::everything_he_may },
        Scenario { name: "s3::without_versions", run: attack::without_versions },
        Scenario { name: "s3::policies", run: policy::policies_suffice },
        Scenario { name: "s3::retention", run: retention::retention },
        Scenario { name: "s3::verified", run: verified::content },
    ]
}

/// A server that archives into a bucket.
fn archiving(install: &'static Installation, store: &S3Server) -> Outcome<(Server, Site)> {
    let place = format!("url = \"s3://{BUCKET}/pg?region={REGION}\"\nendpoint = \"{}\"\n", store.endpoint);
    archiving_into(install, &place)
}

/// The same, with what the configuration says of the repository, but for its credentials.
fn archiving_into(install: &'static Installation, place: &str) -> Outcome<(Server, Site)> {
    archiving_segments(install, place, 1)
}

fn archiving_segments(install: &'static Installation, place: &str, mib: u32) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).segment_mib(mib).setting("archive_mode", "on").create()?;
    let mut site = Site::new(&server)?;
    let credentials = site.path("credentials");
    let token = session_token();
    let text = format!(
        "[backup]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = {token}\n"
    );
    account().write(&credentials, text, 0o600)?;
    site.move_to(&format!("{place}credentials = {{ file = {credentials:?}, profile = \"backup\" }}\n"))?;
    site.init()?;
    server.append_setting("archive_command", &site.archive_command())?;
    server.start()?;
    Ok((server, site))
}

/// What a run said, without a key in it.
fn discreet(run: Run) -> Outcome<Run> {
    for secret in [ACCESS_KEY, SECRET_KEY, session_token()] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{}", run.report());
    }
    Ok(run)
}

fn whole_cycle(install: &'static Installation) -> Outcome {
    let store = S3Server::start();
    let (server, site) = archiving(install, &store)?;
    let hidden = Hidden::of(&site)?;
    let ((), seen) = hidden.watched(|| cycle(install, &store, &server, &site, &hidden))?;
    assert_eq!(seen.len(), 4, "every command was looked at while it ran: {seen:?}");
    hidden.is_not_in("the server's log", server.log().as_bytes());
    assert!(!server.log().contains(ACCESS_KEY));
    hidden.objects(&store)?;
    objects_were_put_once(&store.take());
    Ok(())
}

fn cycle(install: &'static Installation, store: &S3Server, server: &Server, site: &Site, hidden: &Hidden) -> Outcome {
    let quiet = |run: Run| discreet(hidden.run(run)?);
    quiet(site.run(&["check"])?)?.says(&[
        "of 16 writers of one object one wins",
        "a part of an object is that part",
        "a body that does not match its checksum is refused",
        "the store's clock is",
        "segment",
    ])?;
    ledger::create(server)?;
    let backup = std::thread::scope(|scope| {
        let load = scope.spawn(|| ledger::churn(server, 4, LOAD));
        let backup = quiet(site.run(&["backup"])?)?.ok();
        load.join().map_err(|_| "the load panicked")??;
        backup
    })?;
    assert!(!backup.stdout.is_empty());
    ledger::commit(server)?;
    let expected = ledger::rows(server)?;
    let time =
        server.value("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")?;
    std::thread::sleep(Duration::from_millis(20));
    for _ in 0..10 {
        ledger::commit(server)?;
    }
    server.archive_all()?;
    quiet(site.run(&["list"])?)?.ok()?.says(&["full"])?;
    quiet(site.run(&["wal", "list"])?)?.ok()?;
    quiet(site.run(&["config", "show"])?)?.ok()?;
    hidden.reports(site)?;

    let room = Scratch::new()?;
    let data = room.join("restored");
    let target = data.display().to_string();
    let words = ["restore", "--target-dir", &target, "--to", &time];
    store.ambush("GET", "/packs/", &[Fault::Refuse(403, "SignatureDoesNotMatch"); 40]);
    quiet(site.run_with_identity(&words)?)?.status_in(4..=12)?;
    store.clear();
    quiet(site.run_with_identity(&words)?)?.ok()?;
    hidden.file(&data.join("postgresql.auto.conf"))?;
    let copy = Server::adopt(install, &data)?;
    copy.launch()?;
    copy.wait_paused()?;
    assert_eq!(ledger::rows(&copy)?, expected);
    hidden.is_not_in("the log of the restored server", copy.log().as_bytes());
    Ok(())
}

/// Every writer of a race puts the same one; nothing else is put twice.
fn objects_were_put_once(requests: &[String]) {
    let mut puts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in requests.iter().filter_map(|request| request.strip_prefix("PUT ")) {
        *puts.entry(name).or_default() += 1;
    }
    let raced = |name: &str| name.ends_with("/pgcairn.json") || name.contains("/runs/probe-");
    let twice: Vec<_> = puts.iter().filter(|(name, number)| **number > 1 && !raced(name)).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(puts.len() > 10, "{puts:?}");
}

/// `initdb --wal-segsize`: an object that no buffer holds.
fn large_segments(install: &'static Installation) -> Outcome {
    if !full_length() {
        return skip("only under make test-all");
    }
    let store = S3Server::start();
    let place = format!("url = \"s3://{BUCKET}/pg?region={REGION}\"\nendpoint = \"{}\"\n", store.endpoint);
    let (server, site) = archiving_segments(install, &place, 128)?;
    server.sql("create table t (b bytea); alter table t alter b set storage external")?;
    let random = "select string_agg(decode(md5(random()::text || g || i), 'hex'), '') from generate_series(1, 64) i";
    server.sql(&format!("insert into t select ({random}) from generate_series(1, 120000) g"))?;
    let segment = server.archive_all()?;
    let room = Scratch::new()?;
    let pushed = store.take().into_iter().filter(|request| request.starts_with("PUT ") && request.contains("/wal/"));
    let first = "000000010000000000000001";
    assert!(first < segment.as_str() && pushed.into_iter().any(|request| request.contains(first)));
    let sizes = store.sizes();
    assert!(sizes.iter().any(|size| *size > pgcairn::store::MAX_BUFFERED), "{sizes:?}");
    let file = room.join("RECOVERYXLOG").display().to_string();
    let mut command = site.command(&["wal", "fetch", first, &file]);
    Run::of(command.env("PGCAIRN_IDENTITY", site.identity()).current_dir(server.data()))?.ok()?;
    assert_eq!(std::fs::metadata(&file)?.len(), 128 << 20);
    Ok(())
}

fn requests(install: &'static Installation) -> Outcome {
    let store = S3Server::start();
    let (server, site) = archiving(install, &store)?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    let first = server.archive_all()?;
    store.take();
    store.connections();
    server.sql("insert into t select generate_series(1, 1000)")?;
    let segment = server.archive_all()?;
    assert_ne!(first, segment);
    let (pushed, connections) = (store.take(), store.connections());
    let about = |name: &str| pushed.iter().filter(|request| request.contains(name)).cloned().collect::<Vec<_>>();
    assert_eq!(about(&segment).len(), 1, "one PUT for a segment: {pushed:?}");
    assert!(about(&segment)[0].starts_with("PUT "), "{pushed:?}");
    let puts = pushed.iter().filter(|request| request.starts_with("PUT ")).count();
    assert_eq!(pushed.len(), 2 * puts, "the marker and the segment: {pushed:?}");
    // One connection does; where the second request comes before the first one is free again, there are two.
    assert!((puts..=2 * puts).contains(&connections), "{connections} {pushed:?}");

    let place = Scratch::new()?;
    let file = place.join("RECOVERYXLOG").display().to_string();
    // As PostgreSQL calls it: the data directory says which cluster it is.
    let fetch = |name: &str| {
        let mut command = site.command(&["wal", "fetch", name, &file]);
        Run::of(command.env("PGCAIRN_IDENTITY", site.identity()).current_dir(server.data()))
    };
    fetch(&segment)?.ok()?;
    let connections = store.connections();
    assert!((1..=2).contains(&connections), "{connections}");
    let fetched = store.take();
    assert_eq!(fetched.len(), 2, "the marker and the segment: {fetched:?}");
    assert!(fetched.iter().all(|request| request.starts_with("GET ") && !request.contains("list-type")), "{fetched:?}");

    // A proven miss, and the one listing that tells the end from a hole.
    let missing = "0000000100000000000000F0";
    fetch(missing)?.status_is(1)?;
    let missed = store.take();
    assert_eq!(missed.iter().filter(|request| request.contains("list-type")).count(), 1, "{missed:?}");
    assert!(missed.len() <= 4, "{missed:?}");
    Ok(())
}
