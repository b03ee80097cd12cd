//! `status`: what it tells as things come and go, and that nothing keeps it from telling the rest.

mod causes;
mod reasons;
pub mod set_up;
mod silence;

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::several::place::{Place, objects};
use crate::support::majors::Installation;
use crate::support::server::Shutdown;
use crate::support::{Outcome, Scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "status::as_things_come_and_go", run: as_things_come_and_go },
        Scenario { name: "status::commits_far_back", run: commits_far_back },
        Scenario { name: "status::nobody_answers", run: nobody_answers },
        Scenario { name: "status::causes_archiver", run: causes::archiver },
        Scenario { name: "status::causes_log_elsewhere", run: causes::log_elsewhere },
        Scenario { name: "status::causes_down", run: causes::down },
        Scenario { name: "status::causes_slot", run: causes::slot },
        Scenario { name: "status::key_on_this_host", run: causes::key },
        Scenario { name: "status::set_up", run: set_up::until_it_is },
        Scenario { name: "status::reasons_of_backups", run: reasons::of_backups },
        Scenario { name: "status::reasons_of_host", run: reasons::of_host },
        Scenario { name: "status::silence_swallowed", run: silence::swallowed },
        Scenario { name: "status::silence_misled", run: silence::misled },
    ]
}

fn status(place: &Place, exit_status: i32) -> Outcome<Value> {
    place.site.run(&["status", "--wait", "20s", "--json"])?.status_is(exit_status)?.json()
}

fn next(told: &Value) -> String {
    let next = told["next"].as_str().unwrap_or_default();
    next.rsplit("main.toml ").next().unwrap_or_default().to_owned()
}

fn as_things_come_and_go(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\nprice = \"1000000 EUR\"\n")?;
    place.server.archive_all()?;
    let told = status(&place, 3)?;
    assert_eq!((&told["cluster"], &told["server"]["state"]), (&"main".into(), &"running".into()));
    let [local, offsite] = [0, 1].map(|n| told["repositories"][n].clone());
    assert_eq!((&local["backups"], &local["restorable"]), (&0.into(), &serde_json::json!([])));
    assert_eq!(offsite["behind"]["backups"], 0);
    assert!(offsite["behind"]["wal_files"].as_u64() > Some(0), "{offsite}");
    assert_eq!(next(&told), "backup");

    let id = place.backup()?;
    place.server.sql("insert into t values (1001)")?;
    place.server.sql("insert into t values (1002)")?;
    place.server.archive_all()?;
    let told = status(&place, 0)?;
    let local = &told["repositories"][0];
    assert_eq!((&local["backups"], &local["last_backup"]["id"]), (&1.into(), &id.clone().into()));
    assert_eq!(local["restorable"][0]["backup"], id);
    assert_eq!(told["waiting"]["files"], 0);
    sizes(&place, local)?;
    the_end_can_be_restored(&place, local)?;
    assert!(told["repositories"][1]["behind"]["wal_files"].as_u64() > Some(0));
    assert_eq!(next(&told), "copy --all");

    // It is behind no more, and costs what is configured.
    place.site.run(&["copy", "--all"])?.ok()?;
    let told = status(&place, 0)?;
    let offsite = &told["repositories"][1];
    assert_eq!((&offsite["behind"]["wal_files"], &offsite["backups"]), (&0.into(), &1.into()));
    let gib = offsite["stored"]["total_bytes"].as_f64().unwrap_or_default() / f64::from(1 << 30);
    let cost = offsite["stored"]["monthly_cost"]["amount"].as_f64().unwrap_or_default();
    assert!((cost - gib * 1e6).abs() < 0.01, "{cost}");
    assert!(next(&told).starts_with("pgcairn key check --identity FILE --repository file://"), "{told}");

    what_is_lost_is_told(&place)
}

/// What the files themselves add up to.
fn sizes(place: &Place, local: &Value) -> Outcome {
    let root = place.site.repository();
    let sum = |containing: &str| -> Outcome<u64> {
        objects(&root, containing)?.iter().map(|path| Ok(fs::metadata(path)?.len())).sum()
    };
    let kinds = ["/packs/", "/manifests/", "/digests/", "/objects/", "/backups/"];
    let parts: u64 = kinds.iter().map(|kind| sum(kind)).sum::<Outcome<u64>>()?;
    assert_eq!(local["stored"]["backup_bytes"], parts);
    assert_eq!(local["stored"]["wal_bytes"], sum("/wal/")?);
    assert_eq!(local["stored"]["total_bytes"], sum("/clusters/")?);
    assert!(local["stored"]["free_bytes"].as_u64() > Some(0));
    Ok(())
}

/// It is before the last commit, which alone proves that the moment is reached.
fn the_end_can_be_restored(place: &Place, local: &Value) -> Outcome {
    let to = local["restorable"][0]["to"].as_str().unwrap_or_default();
    assert_eq!(place.restored("target", &["--to", to, "--action", "promote"])?.1, "1001");
    Ok(())
}

fn what_is_lost_is_told(place: &Place) -> Outcome {
    // A segment between two others ends what can be restored from what came before.
    place.server.sql("insert into t values (1002)")?;
    let lost = place.server.archive_all()?;
    place.server.sql("insert into t values (1003)")?;
    place.server.archive_all()?;
    let before = status(place, 0)?["repositories"][0]["restorable"][0]["to"].clone();
    fs::remove_file(objects(&place.site.repository(), &lost)?.remove(0))?;
    let after = status(place, 0)?["repositories"][0]["restorable"][0]["to"].clone();
    assert!(after.as_str() < before.as_str(), "{after} {before}");

    // A marker that cannot be read.
    let marker = objects(&place.site.repository(), "/backups/")?.remove(0);
    let bytes = fs::read(&marker)?;
    crate::support::damage::replace(&marker, b"{}")?;
    let told = status(place, 3)?;
    assert_eq!(told["repositories"][0]["unreadable_backups"], 1);
    crate::support::damage::replace(&marker, &bytes)?;

    // A repository that is away is a problem of its own.
    fs::rename(place.site.repository(), place.site.path("away"))?;
    place.server.sql("insert into t values (1004)")?;
    place.server.switch_segment()?;
    place.server.wait_archive_failure(0)?;
    let told = status(place, 3)?;
    assert_eq!(told["repositories"][0]["error"]["code"], "not-a-repository");
    assert_eq!(told["repositories"][1]["backups"], 1);
    assert_eq!(told["repositories"][1]["error"], Value::Null, "the other one is sound");
    assert!(told["repositories"][1]["behind_unknown"].is_string());
    assert!(told["server"]["archiver_failure"]["segment"].is_string(), "{told}");
    assert!(told["waiting"]["files"].as_u64() > Some(0));
    assert_eq!(next(&told), "check");
    let said = place.site.run(&["status"])?.status_is(3)?;
    said.says(&["PROBLEM: ", "is not a repository", "to be archived", "FAILED for", "restorable:"])?;
    fs::rename(place.site.path("away"), place.site.repository())?;

    // With the server down all else is told.
    place.server.stop(Shutdown::Immediate)?;
    let told = status(place, 3)?;
    assert_eq!(told["server"]["state"], "unreachable");
    assert_eq!(told["repositories"][0]["backups"], 1);
    // As on a host that has the URL alone.
    let url = format!("file://{}", place.offsite().display());
    let bare = place.site.run(&["status", "--repository", &url])?.status_is(3)?;
    bare.says(&["backups:"])?;
    Ok(())
}

/// What is said to be restorable where nothing commits for long, held against what a restore accepts.
fn commits_far_back(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "keep = \"yearly\"\nretention = { recovery_window = \"1s\", minimum = 1 }\n")?;
    let window = || -> Outcome<Value> { Ok(status(&place, 0)?["repositories"][0]["restorable"][0].clone()) };
    let (first, second) = (place.backup()?, place.backup()?);
    let idle = window()?;
    assert_eq!((&idle["backup"], &idle["newest"]), (&first.clone().into(), &second.into()));
    assert_eq!((&idle["to"], &idle["at_least"]), (&Value::Null, &false.into()), "{idle}");
    place.site.run(&["status"])?.ok()?.says(&["the ends of ", ", and latest"])?;

    place.server.sql("insert into t values (1001)")?;
    place.server.sql("insert into t values (1002)")?;
    place.server.archive_all()?;
    let near = window()?;
    assert_eq!(near["at_least"], false, "{near}");
    // As under a load that commits at its end.
    for _ in 0..40 {
        place.server.switch_segment()?;
    }
    place.server.archive_all()?;
    let far = window()?;
    assert_eq!(far["to"], near["to"], "{far}");
    let to = far["to"].as_str().ok_or("a commit is found further back")?;
    let target = place.site.path("target").display().to_string();
    place.site.run_with_identity(&["restore", "--target-dir", &target, "--to", to, "--plan"])?.ok()?;

    // In the other one there is a backup with its own WAL, and nothing after it.
    let told = status(&place, 0)?;
    let offsite = &told["repositories"][1]["restorable"][0];
    assert_eq!(
        (&offsite["backup"], &offsite["newest"], &offsite["to"]),
        (&first.clone().into(), &first.into(), &Value::Null)
    );
    let expired = place.site.run(&["expire", "--repository", "offsite", "--dry-run"])?.ok()?;
    expired.says(&["the end of each backup that stays can be restored, and no moment after it"])?;
    assert_eq!(
        status_of(&place, "offsite")?["repositories"][0]["behind"],
        Value::Null,
        "there is nothing to compare with"
    );
    Ok(())
}

fn status_of(place: &Place, repository: &str) -> Outcome<Value> {
    place.site.run(&["status", "--repository", repository, "--json"])?.ok()?.json()
}

/// A store that takes connections and says nothing, and a server that does the same.
fn nobody_answers(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "")?;
    let id = place.backup()?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let address = silent.local_addr()?;
    place.site.configure(&format!(
        "[[repository]]\nname = \"mute\"\nurl = \"s3://bucket\"\nendpoint = \"http://{address}\"\nrequired = false\n\
         credentials = {{ environment = true }}\n"
    ))?;
    let mut command = place.site.command(&["status", "--json"]);
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let told = crate::support::site::Run::of(&mut command)?.status_is(3)?.json()?;
    let reasons = told["verdict"]["reasons"].as_array().into_iter().flatten();
    let unknown: Vec<&Value> = reasons.filter(|it| it["level"] == "unknown").map(|it| &it["reason"]).collect();
    assert_eq!(unknown, ["unanswered"], "{told}");
    assert_eq!(told["repositories"][0]["last_backup"]["id"], id);
    let mute = &told["repositories"][2]["error"];
    assert_eq!(mute["code"], "unreachable");
    assert!(mute["message"].as_str().unwrap_or_default().starts_with("no answer within 2 s"), "{mute}");
    Ok(())
}
