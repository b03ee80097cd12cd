//! The policies for access keys in docs/threat-model.md: each host runs with its own and nothing else, against a store
//! that asks the policy before every request.

use std::collections::BTreeSet;

use serde_json::Value;

use super::server::{BUCKET, Fault, REGION, S3Server};
use super::{archiving_into, discreet};
use crate::refusals::Document;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::site::Run;
use crate::support::small::backup;
use crate::support::wait::wait_for;
use crate::support::{Outcome, full_length, skip};

const DOCUMENT: &str = include_str!("../../../docs/threat-model.md");

/// What is tried is the same on every major.
const MAIN_MAJOR: u32 = 18;

/// Actions that are allowed and denied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Policy {
    allowed: BTreeSet<String>,
    denied: BTreeSet<String>,
}

impl Policy {
    /// The one under this heading.
    fn of(host: &str) -> Policy {
        let (_, section) = DOCUMENT.split_once(&format!("### {host}\n")).unwrap_or_else(|| panic!("{host}"));
        let (_, rest) = section.split_once("```json\n").unwrap();
        let policy: Value = serde_json::from_str(rest.split_once("```").unwrap().0).unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
        let actions = |effect: &str| {
            let statements = policy["Statement"].as_array().unwrap().iter().filter(|s| s["Effect"] == effect);
            statements.flat_map(|statement| texts(&statement["Action"])).collect()
        };
        let of_bucket = |resource: String| assert!(resource.starts_with("arn:aws:s3:::acme-backups"), "{resource}");
        policy["Statement"].as_array().unwrap().iter().flat_map(|s| texts(&s["Resource"])).for_each(of_bucket);
        Policy { allowed: actions("Allow"), denied: actions("Deny") }
    }

    fn permits(&self, action: &str) -> bool {
        self.allowed.contains(action) && !self.denied.contains(action)
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

/// From here on, and what was refused of it.
fn under(store: &S3Server, policy: &Policy) {
    let policy = policy.clone();
    store.permit(move |action| policy.permits(action));
}

pub fn policies_suffice(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("tried with the main major; all of them under make test-all");
    }
    let [database, restoring, expiring] =
        ["The database host", "The restoring host", "The expiring host"].map(Policy::of);
    for policy in [&database, &restoring, &expiring] {
        for never in ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutLifecycleConfiguration"] {
            assert!(!policy.permits(never), "{policy:?} permits {never}");
        }
    }
    let store = S3Server::start();
    under(&store, &database);
    let place = format!("url = \"s3://{BUCKET}/pg?region={REGION}\"\nendpoint = \"{}\"\n", store.endpoint);
    let lock = "object_lock = \"governance\"\nobject_lock_for = \"30d\"\n";
    let (server, mut site) = archiving_into(install, &(place + lock))?;
    // This store does not tell whether it locks.
    let check = discreet(site.run(&["check"])?)?.ok()?;
    check.says(&["these credentials may not", "whether the bucket locks anything is not known"])?;
    assert_eq!(store.refused(), ["s3:DeleteObject"], "only what was made to try the store was to be deleted");
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    let first =
        site.run(&["backup", "--hold", "kept", "--json"])?.ok()?.says(&["AccessDenied", "expire keeps the backup"])?;
    let first = first.result()?["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        store.refused(),
        ["s3:PutObjectLegalHold"],
        "the store's holds are no business of a host that may be stolen"
    );
    let segment = server.archive_all()?;
    let place = Scratch::new()?;
    let file = place.join("RECOVERYXLOG").display().to_string();
    let mut fetch = site.command(&["wal", "fetch", &segment, &file]);
    Run::of(fetch.env("PGCAIRN_IDENTITY", site.identity()).current_dir(server.data()))?.ok()?;
    assert!(store.refused().is_empty(), "init, push, backup and fetch need no more");

    under(&store, &restoring);
    let target = place.join("restored").display().to_string();
    site.run(&["list"])?.ok()?.says(&[&first])?;
    site.run(&["show", "latest"])?.ok()?;
    discreet(site.run_with_identity(&["restore", "--target-dir", &target, "--to", "latest"])?)?.ok()?;
    assert!(store.refused().is_empty());
    site.run(&["backup"])?.status_is(8)?;
    assert_eq!(store.refused(), ["s3:PutObject"]);

    under(&store, &database);
    let second = backup(&site)?;
    let refused = site.run(&["hold", &second, "--reason", "kept", "--json"])?;
    let mut document = Document::new();
    document.compare("the access key may not put legal holds", &site, refused)?;
    document.end()?;
    assert_eq!(store.refused(), ["s3:PutObjectLegalHold"]);
    site.run(&["list", "--held"])?.ok()?.says(&[&first, &second])?;
    under(&store, &expiring);
    store.ambush("PUT", "legal-hold", &[Fault::Pretended; 200]);
    site.run(&["release", &first])?.ok()?;
    site.run(&["release", &second])?.ok()?;
    assert!(store.refused().is_empty());

    under(&store, &database);
    site.configure("[retention]\nrecovery_window = \"1s\"\nminimum = 1\n")?;
    // The window is short, and must have passed since the second one.
    wait_for("the first backup to expire", || {
        let plan = site.run(&["expire", "--dry-run", "--json"])?.ok()?.result()?;
        Ok((plan["dropped"] == 1).then_some(()))
    })?;
    site.run(&["expire", "--yes"])?.status_is(8)?;
    assert_eq!(store.refused(), ["s3:DeleteObject"], "a stolen database host drops no backup");
    site.run(&["list"])?.ok()?.says(&[&first, &second])?;

    under(&store, &expiring);
    // The store tells the time in whole seconds.
    wait_for("the first backup to be dropped", || {
        site.run(&["expire", "--yes"])?.ok()?;
        Ok((!site.run(&["list"])?.ok()?.stdout.contains(&first)).then_some(()))
    })?;
    site.run(&["undelete", &first])?.ok()?;
    assert!(store.refused().is_empty(), "expiry needs no more");
    Ok(())
}
