//! Each reason of a verdict: brought about, told with the exit status of a monitor, and gone with its cause.

use std::collections::BTreeSet;
use std::fs::{self, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::set_up;
use crate::several::place::{Place, objects};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::Shutdown;
use crate::support::site::{Run, binary};
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage, marker};

const DAY: i64 = 86_400;

/// What `status --exit-code` says with the configuration changed in this way.
fn verdict(place: &Place, change: impl Fn(String) -> String) -> Outcome<Value> {
    let file = place.site.path("changed.toml");
    account().write(&file, signed(place, change(fs::read_to_string(place.site.config())?)), 0o644)?;
    let mut command = account().command(binary());
    command.arg("--config").arg(&file).args(["status", "--exit-code", "--json", "--wait", "20s"]);
    let run = Run::of(&mut command)?;
    let told = run.json()?;
    let levels = ["ok", "warning", "critical", "unknown"];
    let level = levels.iter().position(|level| told["verdict"]["level"] == *level);
    assert_eq!(level, usize::try_from(run.status).ok(), "{}", run.report());
    Ok(told)
}

/// With the key that lies beside the configuration itself.
fn signed(place: &Place, text: String) -> String {
    format!("{text}[signing]\nkey = {{ file = {:?} }}\n", place.site.signing_key())
}

/// Reasons as `level name repository`, the last where it is about one.
pub fn reasons(place: &Place, lines: &str) -> Outcome<BTreeSet<String>> {
    listed(&verdict(place, |text| text + lines)?)
}

fn listed(told: &Value) -> Outcome<BTreeSet<String>> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reason = |it: &Value| {
        assert!(["pgcairn", "psql"].iter().any(|program| word(&it["remedy"]).starts_with(program)), "{it}");
        format!("{} {} {}", word(&it["level"]), word(&it["reason"]), word(&it["repository"])).trim_end().to_owned()
    };
    Ok(told["verdict"]["reasons"].as_array().into_iter().flatten().map(reason).collect())
}

pub fn is(place: &Place, lines: &str, wanted: &[&str]) -> Outcome {
    let found = reasons(place, lines)?;
    assert_eq!(found, wanted.iter().map(ToString::to_string).collect(), "with {lines}");
    Ok(())
}

/// Until time has brought it.
pub fn becomes(place: &Place, lines: &str, wanted: &str) -> Outcome {
    wait_for(wanted, || Ok(reasons(place, lines)?.contains(wanted).then_some(())))
}

/// A drill as its record tells of it, of a backup or of a dump.
fn drilled(place: &Place, repository: &Path, id: &str, days_ago: i64, passed: bool) -> Outcome {
    let (of, mark) = if id.contains("-dump-") { ("dump", "-dump") } else { ("backup", "") };
    let backup = objects(repository, "/backups/")?.remove(0);
    let directory = backup.parent().and_then(Path::parent).ok_or("a backup lies below its cluster")?.join("drills");
    if !directory.exists() {
        account().make_dir(&directory)?;
    }
    let started = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - days_ago * DAY)?;
    let number = objects(&place.site.repository(), "/drills/")?.len();
    let name = format!("{}-{number:08x}{mark}.json", started.strftime("%Y%m%dT%H%M%SZ"));
    let record = serde_json::json!({"format": 1, of: id, "target": "latest", "started": started,
        "seconds": 60.0, "passed": passed, "recovery_seconds": 40.0, "checks": [], "pgcairn": "0.1.0"});
    Ok(account().write(&directory.join(name), format!("{record}\n"), 0o640)?)
}

/// The set-up, and what every night brings.
pub fn of_backups(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.server.archive_all()?;
    let undone = ["warning key-never-checked", "warning sheet-never-made"];
    is(&place, "", &[&["critical no-backup"], &undone[..]].concat())?;
    let id = place.backup()?;
    place.server.archive_all()?;
    is(&place, "", &[&["warning drill-never local"], &undone[..]].concat())?;
    set_up::complete(&place.site)?;
    is(&place, "", &["warning drill-never local"])?;
    becomes(&place, "[status]\nbehind = \"1s\"\n", "warning behind offsite")?;
    place.site.run(&["copy", "--all"])?.ok()?;
    is(&place, "[status]\nbehind = \"1s\"\n", &["warning drill-never local", "warning drill-never offsite"])?;

    let (local, offsite) = (place.site.repository(), place.offsite());
    drilled(&place, &offsite, &id, 0, true)?;
    drilled(&place, &local, &id, 9, true)?;
    is(&place, "", &["warning drill-old local"])?;
    is(&place, "[status]\ndrill = \"10d\"\n", &[])?;
    drilled(&place, &local, &id, 1, false)?;
    is(&place, "", &["critical drill-failed local"])?;
    drilled(&place, &local, &id, 0, true)?;
    is(&place, "", &[])?;
    of_dumps(&place, &local, &offsite)?;

    becomes(&place, "[status]\nbackup = \"1s\"\n", "critical backup-old")?;
    verified(&place)?;
    of_objects(&place, &local)?;
    of_sizes(&place, &local)
}

/// Where they are configured; a drill of a backup proves nothing of a dump, and the other way round.
fn of_dumps(place: &Place, local: &Path, offsite: &Path) -> Outcome {
    is(place, "[dump]\n", &["warning no-dump"])?;
    let bindir = place.server.install.bin().display().to_string();
    let made = place.site.run(&["dump", "--bindir", &bindir, "--json"])?.ok()?.result()?;
    let id = made["id"].as_str().ok_or("a dump has an id")?;
    is(place, "[dump]\n", &["warning dump-drill-never local", "warning dump-drill-never offsite"])?;
    drilled(place, offsite, id, 0, true)?;
    drilled(place, local, id, 9, true)?;
    is(place, "", &["warning dump-drill-old local"])?;
    drilled(place, local, id, 1, false)?;
    is(place, "", &["critical dump-drill-failed local"])?;
    drilled(place, local, id, 0, true)?;
    is(place, "[dump]\n", &[])?;
    becomes(place, "[dump]\n[status]\ndump = \"1s\"\n", "warning dump-old")?;
    let marker = place.site.object(&format!("/dumps/{id}.json"))?;
    let sound = fs::read(&marker)?;
    damage::replace(&marker, b"{}")?;
    is(place, "", &["warning dumps-unreadable local"])?;
    damage::replace(&marker, &sound)
}

/// The last verification of everything counts.
fn verified(place: &Place) -> Outcome {
    place.site.run(&["verify"])?.ok()?;
    place.site.run(&["status", "--wait", "20s"])?.ok()?.says(&["verify:     sound ", "everything, by object"])?;
    is(place, "", &[])?;
    let record = objects(&place.site.repository(), "/verifications/")?.remove(0);
    let sound = fs::read_to_string(&record)?;
    damage::replace(&record, sound.replace("\"passed\":true", "\"passed\":false").as_bytes())?;
    is(place, "", &["critical verify-failed local"])?;
    damage::replace(&record, sound.as_bytes())
}

/// What is lost or damaged in a repository.
fn of_objects(place: &Place, local: &Path) -> Outcome {
    let backup = objects(local, "/backups/")?.remove(0);
    let sound = fs::read(&backup)?;
    damage::replace(&backup, b"{}")?;
    assert!(reasons(place, "")?.contains("critical backups-unreadable local"));
    damage::replace(&backup, &sound)?;
    marker::edit(&place.site, &backup, |summary| summary.flagged.count = 3)?;
    is(place, "", &["critical pages-flagged local"])?;
    damage::replace(&backup, &sound)?;

    let (wal, away) = (backup.parent().and_then(Path::parent).ok_or("it has")?.join("wal"), place.site.path("away"));
    fs::rename(&wal, &away)?;
    let found = reasons(place, "")?;
    assert!(found.contains("critical nothing-restorable local"), "{found:?}");
    fs::rename(&away, &wal)?;
    fs::rename(local.join("clusters"), &away)?;
    let found = reasons(place, "")?;
    assert!(found.contains("warning nothing-stored local"), "{found:?}");
    fs::rename(&away, local.join("clusters"))?;
    fs::rename(local, &away)?;
    is(place, "", &["critical unreadable local"])?;
    fs::rename(&away, local)?;

    // Between two backups.
    let lost = place.server.archive_all()?;
    place.backup()?;
    place.server.archive_all()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    let lost = objects(local, &lost)?.remove(0);
    fs::rename(&lost, &away)?;
    is(place, "", &["warning hole-in-wal local"])?;
    fs::rename(&away, &lost)?;
    is(place, "", &[])
}

/// A repository that is as old as it says.
fn of_sizes(place: &Place, local: &Path) -> Outcome {
    let promised = "[retention]\nrecovery_window = \"1d\"\n";
    let fills = |level: &str| format!("[status]\nfull_{level} = \"7000000d\"\n");
    is(place, &(promised.to_owned() + &fills("warning")), &[])?;
    let aged = objects(local, "/objects/")?.remove(0);
    let old = SystemTime::now() - Duration::from_secs(2 * DAY.unsigned_abs());
    fs::File::open(&aged)?.set_times(FileTimes::new().set_modified(old))?;
    is(place, promised, &["warning window-short local"])?;
    is(place, &fills("warning"), &["warning full-soon local"])?;
    is(place, &fills("critical"), &["critical full-soon local"])?;
    is(place, "", &[])
}

/// The server, its archiver, and the last runs.
pub fn of_host(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    let remembered = |text: String| format!("{text}[metrics]\ntextfile = {:?}\n", place.site.path("prom"));
    let (id, local) = (place.backup()?, place.site.repository());
    place.server.archive_all()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    drilled(&place, &local, &id, 0, true)?;
    drilled(&place, &place.offsite(), &id, 0, true)?;
    set_up::complete(&place.site)?;
    is(&place, "", &[])?;

    let away = place.site.path("away");
    fs::rename(&local, &away)?;
    place.server.sql("insert into t values (1001)")?;
    place.server.switch_segment()?;
    place.server.wait_archive_failure(0)?;
    let file = place.site.path("remembered.toml");
    account().write(&file, signed(&place, remembered(fs::read_to_string(place.site.config())?)), 0o644)?;
    let backup = || {
        let mut command = account().command(binary());
        Run::of(command.arg("--config").arg(&file).arg("backup"))
    };
    backup()?.status_is(7)?;
    fs::rename(&away, &local)?;
    let told = verdict(&place, remembered)?;
    assert!(listed(&told)?.contains("warning run-failed"), "{told}");
    let metrics = fs::read_to_string(place.site.path("prom"))?;
    assert!(metrics.contains("pgcairn_verdict_reason{cluster=\"main\",reason=\"run-failed\"} 1\n"), "{metrics}");
    place.server.archive_all()?;
    backup()?.ok()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    assert_eq!(listed(&verdict(&place, remembered)?)?, BTreeSet::new());
    assert!(fs::read_to_string(place.site.path("prom"))?.contains("pgcairn_verdict{cluster=\"main\"} 0\n"));

    place.server.append_setting("archive_command", "'false'")?;
    place.server.reload()?;
    place.server.sql("insert into t values (1002)")?;
    place.server.switch_segment()?;
    becomes(&place, "", "warning archiver-fails")?;
    becomes(&place, "[status]\nwal_warning = \"1s\"\n", "warning wal-waits")?;
    becomes(&place, "[status]\nwal_critical = \"1s\"\n", "critical wal-waits")?;
    becomes(&place, "[objectives]\nrpo = \"1s\"\n", "warning wal-waits")?;
    place.site.archive_from(&place.server)?;
    place.server.archive_all()?;
    place.site.run(&["copy", "--all"])?.ok()?;
    is(&place, "", &[])?;

    let told = verdict(&place, |text| text.replace("dbname=", "dbname=absent_"))?;
    assert_eq!(listed(&told)?, BTreeSet::from(["unknown server-unknown".to_owned()]));
    place.server.stop(Shutdown::Fast)?;
    is(&place, "", &["warning server-unreachable"])
}
