//! The usual pair: backups on a disk of this machine, copies in a bucket.

use std::collections::BTreeMap;

use super::server::{ACCESS_KEY, BUCKET, REGION, S3Server, SECRET_KEY};
use super::{discreet, objects_were_put_once};
use crate::several::place::objects;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;

pub fn copied(install: &'static Installation) -> Outcome {
    let store = S3Server::start();
    let (server, site) = archiving(install, &store)?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    let made = discreet(site.run(&["backup"])?)?.ok()?;
    made.says(&["offsite got 1 backup"])?;
    let requests = store.take();
    objects_were_put_once(&requests);
    assert!(!requests.iter().any(|request| request.starts_with("GET ") && request.contains("/packs/")), "{requests:?}");
    server.sql("insert into t values (1001)")?;
    server.archive_all()?;

    // What the disk has lost comes back with one request for each object.
    let packs = objects(&site.repository(), "/packs/")?;
    packs.iter().try_for_each(std::fs::remove_file)?;
    store.take();
    discreet(site.run(&["copy", "--all", "--to", "local"])?)?.ok()?;
    let mut gets: BTreeMap<String, usize> = BTreeMap::new();
    for request in
        store.take().into_iter().filter(|request| request.starts_with("GET ") && request.contains("/packs/2"))
    {
        *gets.entry(request).or_default() += 1;
    }
    assert_eq!(gets.len(), packs.len(), "{gets:?}");
    assert!(gets.values().all(|number| *number == 1), "{gets:?}");
    assert_eq!(objects(&site.repository(), "/packs/")?, packs);

    std::fs::rename(site.repository(), site.path("lost"))?;
    let room = Scratch::new()?;
    let data = room.join("restored");
    let target = data.display().to_string();
    let words = ["restore", "--target-dir", &target, "--to", "latest", "--repository", "offsite"];
    discreet(site.run_with_identity(&words)?)?.ok()?;
    let copy = Server::adopt(install, &data)?;
    copy.start()?;
    copy.wait_promoted()?;
    assert_eq!(copy.value("select count(*) from t")?, "1001");
    copy.stop(Shutdown::Fast)
}

fn archiving(install: &'static Installation, store: &S3Server) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    let credentials = site.path("credentials");
    let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    account().write(&credentials, text, 0o600)?;
    site.configure(&format!(
        "[[repository]]\nname = \"offsite\"\nurl = \"s3://{BUCKET}/pg?region={REGION}\"\nendpoint = \"{}\"\n\
         credentials = {{ file = {credentials:?} }}\n",
        store.endpoint
    ))?;
    site.init()?;
    site.archive_from(&server)?;
    Ok((server, site))
}
