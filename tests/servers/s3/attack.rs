//! Somebody has the access key and overwrites and deletes everything in the repository that he may: the bucket keeps
//! versions, and the oldest of them are what was.

use std::time::Duration;

use super::moto_server::Moto;
use super::server::REGION;
use super::{archiving_into, discreet};
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::{Outcome, full_length, ledger, skip};

const BUCKET: &str = "attacked";

/// One server of the two that are always tried is enough: what is tried is the store.
const MAIN_MAJOR: u32 = 18;

pub fn everything_he_may(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("tried with the main major; all of them under make test-all");
    }
    let Some(moto) = Moto::start(None) else { return skip("without moto, as PGCAIRN_TEST_WITHOUT_MOTO says") };
    moto.locking_bucket(BUCKET);
    let (server, mut site) = archiving_into(install, &place(&moto, "pg"))?;
    lifecycle(&moto, &mut site)?;
    site.run(&["check"])?
        .says(&["the bucket keeps them", "every object is locked for 30 days from its creation on"])?;
    ledger::create(&server)?;
    let backup = crate::support::small::backup(&site)?;
    holds(&moto, &site, &backup)?;
    for _ in 0..20 {
        ledger::commit(&server)?;
    }
    let expected = ledger::rows(&server)?;
    let time =
        server.value("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")?;
    std::thread::sleep(Duration::from_millis(20));
    ledger::commit(&server)?;
    server.archive_all()?;

    let keys = overwrite_and_delete(&moto)?;
    for kind in ["pgcairn.json", "/backups/", "/objects/", "/manifests/", "/packs/", "/wal/"] {
        assert!(keys.iter().any(|key| key.contains(kind)), "nothing was done to {kind}: {keys:?}");
    }

    let room = Scratch::new()?;
    let data = room.join("restored");
    let target = data.display().to_string();
    let restore = ["restore", "--target-dir", &target, "--to", &time];
    discreet(site.run_with_identity(&restore)?)?.status_in(4..=12)?;
    assert!(!data.exists(), "a refused restore leaves nothing");

    discreet(site.run(&["list", "--oldest-versions"])?)?.ok()?.says(&[&backup])?;
    discreet(site.run(&["show", "latest", "--oldest-versions"])?)?.ok()?.says(&[&backup])?;
    discreet(site.run(&["wal", "list", "--oldest-versions"])?)?.ok()?;
    let plan = [&restore[..], &["--oldest-versions", "--plan"]].concat();
    discreet(site.run_with_identity(&plan)?)?.ok()?.says(&["restore --oldest-versions --target-dir"])?;
    discreet(site.run_with_identity(&[&restore[..], &["--oldest-versions"]].concat())?)?.ok()?;
    let copy = Server::adopt(install, &data)?;
    copy.launch()?;
    copy.wait_paused()?;
    assert_eq!(ledger::rows(&copy)?, expected);
    Ok(())
}

/// Then the oldest version is what is there, and that must be known.
pub fn without_versions(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("tried with the main major; all of them under make test-all");
    }
    let Some(moto) = Moto::start(None) else { return skip("moto cannot be had: scripts/moto install") };
    moto.say("PUT /plain", "", "")?;
    let port = moto.port;
    let place = format!("url = \"s3://plain/pg?region={REGION}\"\nendpoint = \"http://127.0.0.1:{port}\"\n");
    let (server, site) = archiving_into(install, &place)?;
    ledger::create(&server)?;
    crate::support::small::backup(&site)?;
    let silent = discreet(site.run(&["list"])?)?.ok()?;
    assert!(!silent.report().contains("keeps no versions"));
    discreet(site.run(&["list", "--oldest-versions"])?)?.ok()?.says(&["keeps no versions"]).map(drop)
}

fn place(moto: &Moto, prefix: &str) -> String {
    let port = moto.port;
    format!(
        "url = \"s3://{BUCKET}/{prefix}?region={REGION}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         object_lock = \"compliance\"\nobject_lock_for = \"30d\"\n"
    )
}

/// A rule that expires objects: `check` fails, and no repository is made beside.
fn lifecycle(moto: &Moto, site: &mut Site) -> Outcome {
    let rule = "<LifecycleConfiguration><Rule><ID>tidy</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
                <Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>";
    moto.say(&format!("PUT /{BUCKET}?lifecycle"), "", rule)?;
    let expires = "the lifecycle rule \"tidy\" expires objects of the repository";
    site.run(&["check"])?.status_is(4)?.says(&[expires])?;
    let credentials = format!("credentials = {{ file = {:?}, profile = \"backup\" }}\n", site.path("credentials"));
    site.move_to(&(place(moto, "other") + &credentials))?;
    site.run(&["init"])?.status_is(4)?.says(&[expires])?;
    assert!(moto.say(&format!("GET /{BUCKET}/other/pgcairn.json"), "", "").is_err(), "nothing was made");
    site.move_to(&(place(moto, "pg") + &credentials))?;
    moto.say(&format!("DELETE /{BUCKET}?lifecycle"), "", "")?;
    Ok(())
}

/// The store itself holds what a held backup needs, its WAL and marker included, and nothing once it is released.
fn holds(moto: &Moto, site: &Site, backup: &str) -> Outcome {
    let held = || -> Outcome<Vec<String>> {
        let listed = moto.say(&format!("GET /{BUCKET}?list-type=2"), "", "")?;
        let is_held = |key: &String| {
            let head = moto.say(&format!("HEAD /{BUCKET}/{key}"), "", "").unwrap_or_default();
            head.to_lowercase().contains("x-amz-object-lock-legal-hold: on")
        };
        Ok(between(&listed, "<Key>", "</Key>").into_iter().filter(is_held).collect())
    };
    assert!(held()?.is_empty());
    site.run(&["hold", "latest", "--reason", "case 4711"])?.ok()?.says(&["legal holds are on its"])?;
    let now = held()?;
    for part in ["/backups/", "/holds/", "/objects/", "/manifests/", "/packs/"] {
        assert!(now.iter().any(|key| key.contains(part) && key.contains(backup)), "{part} {now:?}");
    }
    assert!(now.iter().any(|key| key.contains("/wal/0")), "{now:?}");
    assert!(!now.iter().any(|key| key.ends_with("pgcairn.json")), "{now:?}");
    site.run(&["release", backup])?.ok()?;
    assert_eq!(held()?, Vec::<String>::new());
    Ok(())
}

/// Every object is put over, hidden, or both; and to take away what lies below is refused.
fn overwrite_and_delete(moto: &Moto) -> Outcome<Vec<String>> {
    let versions = moto.say(&format!("GET /{BUCKET}?versions"), "", "")?;
    // Not the markers of what was deleted.
    let versions_of_content = between(&versions, "<Version>", "</Version>").concat();
    let keys = between(&versions_of_content, "<Key>", "</Key>");
    let ids = between(&versions_of_content, "<VersionId>", "</VersionId>");
    assert_eq!(keys.len(), ids.len(), "{versions}");
    assert!(!versions.contains("<IsTruncated>true"), "one page is all there is");
    for (number, (key, id)) in keys.iter().zip(&ids).enumerate() {
        // What was made to try the store is not locked.
        if !key.contains("/runs/") {
            let refused = moto.say(&format!("DELETE /{BUCKET}/{key}?versionId={id}"), "", "").err();
            assert!(refused.is_some_and(|answer| answer.contains("AccessDenied")), "{key} was locked");
        }
        // Some are overwritten, some deleted, some both.
        if number % 3 != 0 {
            moto.say(&format!("PUT /{BUCKET}/{key}"), "", "this was yours")?;
        }
        if number % 3 != 1 || key.ends_with("pgcairn.json") {
            moto.say(&format!("DELETE /{BUCKET}/{key}"), "", "")?;
        }
    }
    Ok(keys)
}

fn between(text: &str, before: &str, after: &str) -> Vec<String> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0.to_owned())).collect()
}
