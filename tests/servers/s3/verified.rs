//! `verify` with the key on S3: what it reads, what it does not read again, and that a store which refuses is no damage.

use serde_json::Value;

use super::archiving;
use super::server::{Fault, S3Server};
use crate::several::place::{damage_all, objects};
use crate::support::Outcome;
use crate::support::majors::Installation;

pub fn content(install: &'static Installation) -> Outcome {
    let store = S3Server::start();
    let (server, site) = archiving(install, &store)?;
    site.run(&["backup"])?.ok()?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    server.archive_all()?;
    let run = |words: &[&str]| site.run_with_identity(&[&["verify", "--json"], words].concat());
    let found = |words: &[&str], status| -> Outcome<Value> {
        Ok(run(words)?.status_is(status)?.json()?["repositories"][0].clone())
    };
    let packs_read = || store.take().iter().filter(|it| it.starts_with("GET ") && it.contains("/packs/")).count();
    packs_read();
    let first = found(&[], 0)?;
    assert_eq!((&first["proof"], &first["covered"]), (&"content".into(), &1.0.into()), "{first}");
    assert!(packs_read() > 0);
    let second = found(&[], 0)?;
    assert_eq!((&second["covered"], &second["wal_files"]), (&1.0.into(), &0.into()), "{second}");
    assert_eq!(packs_read(), 0, "{second}");

    store.ambush("GET", "/packs/", &[Fault::Refuse(403, "SignatureDoesNotMatch"); 40]);
    let refused = run(&["--all"])?.status_in(7..=8)?;
    assert!(!refused.stdout.contains("damaged"), "{}", refused.report());
    store.clear();
    let pack = objects(store.directory.path(), "/packs/")?.remove(0);
    damage_all(std::slice::from_ref(&pack))?;
    let harmed = found(&["--all"], 10)?;
    let named = harmed["damaged"][0]["object"].as_str().unwrap_or("?");
    assert!(pack.to_string_lossy().ends_with(named), "{harmed}");
    Ok(())
}
