//! What a drill proves of a sound backup.

use std::fs;

use serde_json::Value;

use super::stage::{Stage, check, failed_alone};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::image::content;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};

const DOCUMENT: &str = include_str!("../../../docs/drill.md");

pub fn passes(install: &'static Installation) -> Outcome {
    install.needs("pg_checksums")?;
    let mut stage = Stage::new(install)?;
    stage.configure(
        "[objectives]\nrto = \"1h\"\nrpo = \"1h\"\n\n\
         [[drill.check]]\nname = \"orders\"\ndatabase = \"postgres\"\nsql = \"select count(*) = 1001 from orders\"\n",
    )?;
    let page = stage.site.path("drill.html").display().to_string();
    let archived = stage.server.value("select archived_count from pg_stat_archiver")?;
    let before = stage.site.objects("")?.len();
    let result = stage.result(0, &["--html", &page])?;
    assert_eq!((&result["passed"], &result["restored"]["backup"]), (&true.into(), &stage.backup.clone().into()));
    each_documented_check_passed(&result)?;
    let tables = &result["databases"][0]["tables"];
    let odd = tables.as_array().into_iter().flatten().find(|table| table["name"] == "odd \"name");
    assert_eq!(odd.map(|table| &table["rows"]), Some(&7.into()), "{result}");
    assert!(check(&result, "rows")?.1.contains("1 008 rows in 2 tables"), "{result}");

    // The record and the closed result are all that is new, and the record tells no names.
    assert_eq!(stage.site.objects("")?.len(), before + 2);
    assert_eq!(serde_json::from_slice::<Value>(&closed(&stage, &result)?)?, result);
    let record = fs::read_to_string(stage.site.object(recorded(&result)?)?)?;
    assert!(record.contains(&stage.backup) && record.contains("\"passed\":true"), "{record}");
    assert!(!record.contains("odd") && !record.contains("orders\\\""), "{record}");
    for step in ["restore: restoring", "restore: fetching WAL", "restore: syncing to disk"] {
        let is_there = |phase: &Value| phase["name"] == step;
        assert!(result["phases"].as_array().is_some_and(|phases| phases.iter().any(is_there)), "{step}: {result}");
    }
    assert_eq!(stage.server.value("select archived_count from pg_stat_archiver")?, archived);
    let page = fs::read_to_string(page)?;
    assert!(page.contains("odd &quot;name") && !page.contains("<script") && !page.contains("http"), "{page}");
    let told = stage.site.run(&["status", "--wait", "20s", "--json"])?.json()?;
    assert_eq!(told["repositories"][0]["last_drill"]["passed"], true, "{told}");
    stage.site.run(&["status", "--wait", "20s"])?.ok()?.says(&["drill:", "passed"]).map(drop)
}

/// The tables of what is checked, of a backup and of a dump, row by row: names, and when they have passed.
fn documented(of: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let number = if of == "backup" { 1 } else { 2 };
    let table = DOCUMENT.split("\n| check | passed when |\n|---|---|\n").nth(number).unwrap_or_default();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.trim_matches(['|', ' ']).split_once(" | "))
}

/// All of them, and no other.
pub fn each_documented_check_passed(result: &Value) -> Outcome {
    let names = |part: &str| -> Vec<&str> {
        let all = result[part].as_array().into_iter().flatten();
        all.filter_map(|one| one["name"].as_str()).collect()
    };
    let (of_failures, always): (Vec<_>, Vec<_>) = documented(result["of"].as_str().unwrap_or_default())
        .partition(|(_, passed_when)| passed_when.starts_with("shown only where"));
    let always: Vec<String> = always.iter().map(|(name, _)| name.replace('…', "orders")).collect();
    assert_eq!(names("checks"), always);
    for name in &always {
        assert_eq!(check(result, name)?.0, "passed", "{name}: {result}");
    }
    // What is no check by itself is a step that had to succeed first.
    let steps = names("phases").into_iter().filter(|name| !name.contains(": ") && !always.iter().any(|it| it == name));
    let of_failures: Vec<&str> = of_failures.iter().flat_map(|(names, _)| names.split(", ")).collect();
    assert_eq!(steps.chain(["clean up", "time"]).collect::<Vec<_>>(), of_failures);
    Ok(())
}

pub fn recorded(result: &Value) -> Outcome<&str> {
    result["recorded"].as_str().ok_or_else(|| "it is not recorded".into())
}

/// The whole result, as it lies in the repository.
pub fn closed(stage: &Stage, result: &Value) -> Outcome<Vec<u8>> {
    content(&stage.site, &recorded(result)?.replace(".json", ".zst.age"))
}

/// Any moment of the window, and the end of a backup.
pub fn any_moment(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    for value in 2000..2005 {
        stage.server.sql(&format!("insert into orders values ({value})"))?;
    }
    stage.server.archive_all()?;
    for _ in 0..2 {
        let result = stage.result(0, &["--to", "random"])?;
        assert!(result["restored"]["target_time"].is_string(), "{result}");
        assert_eq!(check(&result, "target")?.0, "passed");
    }
    let result = stage.result(0, &["--backup", "latest"])?;
    assert_eq!(result["restored"]["backup"], stage.backup);
    assert!(check(&result, "rows")?.1.contains("1 007 rows"), "{result}");
    let said = stage.drill(&["--to", "random", "--backup", "latest"])?;
    said.status_is(2)?.says(&["--to random chooses the backup itself"]).map(drop)
}

/// Expiry never drops the newest backup that a drill has proven, whatever was drilled or put there since.
pub fn keeps_what_is_proven(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    let made = stage.site.run(&["backup", "--json"])?.ok()?.result()?;
    let newer = made["id"].as_str().unwrap_or_default().to_owned();
    stage.result(0, &["--backup", &newer])?;
    // Records begin with the second they were made in.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    stage.result(0, &["--backup", &stage.backup])?;
    let [record, ..] = &stage.site.objects("/drills/")?[..] else { return Err("no drill is recorded".into()) };
    for number in 0..150 {
        let garbage = record.with_file_name(format!("20990101T000000Z-{number:08x}.json"));
        account().write(&garbage, "garbage", 0o600)?;
    }
    stage.site.run(&["backup"])?.ok()?;
    stage.configure("[retention]\nrecovery_window = \"1s\"\nminimum = 1\n")?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let told = stage.site.run(&["expire", "--dry-run", "--json"])?.ok()?.json()?;
    let rows = told["backups"].as_array().cloned().unwrap_or_default();
    let is_kept = |id: &str| rows.iter().any(|row| row["id"] == id && row["kept"] == true);
    assert!(is_kept(&newer) && !is_kept(&stage.backup), "{told}");
    assert_eq!(rows.iter().filter(|row| row["kept"] == true).count(), 2, "{told}");
    Ok(())
}

/// Nothing that somebody has put into the database runs with the rights of a superuser on the host of the drill, and
/// nobody who works on the live server is in its way.
pub fn planted(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    // An exact match, where the one that is meant takes a regclass.
    for name in ["pg_relation_filenode", "pg_table_size"] {
        stage.server.sql(&format!(
            "create function public.{name}(oid) returns bigint language plpgsql as $$ begin raise exception 'planted'; end $$"
        ))?;
    }
    stage.server.sql("create schema ext; create extension pg_visibility schema ext")?;
    for name in ["pg_check_visible", "pg_check_frozen"] {
        stage.server.sql(&format!(
            "create function ext.{name}(oid) returns setof tid language plpgsql as $$ begin raise exception 'planted'; end $$"
        ))?;
    }
    // Code that a session would run, if a setting of its database counted.
    if install.major >= 17 {
        stage.server.sql(
            "create function public.evil() returns event_trigger language plpgsql as \
             $$ begin if current_setting('archive_mode') = 'off' then raise exception 'planted'; end if; end $$; \
             create event trigger evil on login execute function public.evil(); \
             alter event trigger evil enable always; alter database postgres set event_triggers = on",
        )?;
    }
    // Closed to everybody, and a table that waits for somebody's second phase.
    stage.server.sql("create database closed")?;
    stage.server.sql_in("closed", "create table kept as select 1 as n")?;
    stage.server.sql("alter database closed allow_connections false")?;
    stage.server.psql("begin; alter table \"odd \"\"name\" add c int; prepare transaction 'held'")?;
    // Here nobody can enter it; on the copy its libraries are not loaded.
    stage.server.sql("alter database shop set session_preload_libraries = 'nowhere'")?;
    stage.server.archive_all()?;
    stage.configure(
        "[[drill.check]]\nname = \"no superuser\"\ndatabase = \"postgres\"\n\
         sql = \"select current_setting('is_superuser') = 'off' and count(*) = 1001 from orders\"\n\
         [[drill.check]]\nname = \"shop\"\ndatabase = \"shop\"\nsql = \"select true\"\n",
    )?;
    let mut busy = stage.server.client()?;
    busy.batch_execute("begin; lock table orders in access exclusive mode")?;
    let result = stage.result(0, &["--limit", "50s"])?;
    drop(busy);
    for name in ["relations", "rows", "visibility", "live server", "assertion no superuser", "assertion shop"] {
        assert_eq!(check(&result, name)?.0, "passed", "{name}: {result}");
    }
    let (_, details) = check(&result, "live server")?;
    assert!(details.ends_with("; databases that this role may not enter: shop"), "{details}");
    let closed = result["databases"].as_array().into_iter().flatten().find(|database| database["name"] == "closed");
    assert_eq!(closed.map(|database| &database["tables"][0]["rows"]), Some(&1.into()), "{result}");
    Ok(())
}

/// A backup that is whole in one repository proves nothing of another, where it is not.
pub fn one_repository(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    let url = stage.site.path("second").display().to_string();
    stage.configure(&format!("[[repository]]\nname = \"second\"\nurl = \"file://{url}\"\nrequired = false\n"))?;
    stage.site.init()?;
    stage.site.run(&["copy", "--all"])?.ok()?;
    for pack in stage.site.objects("/packs/")? {
        fs::remove_file(pack)?;
    }
    let result = stage.result(10, &[])?;
    failed_alone(&result, "restore", "packs/")?;
    let result = stage.result(0, &["--repository", "second"])?;
    assert_eq!((&result["passed"], &result["repository"]), (&true.into(), &"second".into()));
    Ok(())
}

/// With a repository and the key alone, as on a host that never saw the database; what was kept is whole.
pub fn elsewhere(install: &'static Installation) -> Outcome {
    install.needs("pg_checksums")?;
    let stage = Stage::new(install)?;
    let url = format!("file://{}", stage.site.repository().display());
    let (scratch, bindir) = (stage.scratch().display().to_string(), stage.bindir());
    let identity = stage.site.identity().display().to_string();
    let mut command = account().command(binary());
    command.args(["drill", "--repository", &url, "--identity", &identity, "--scratch", &scratch]);
    let run = Run::of(command.args(["--bindir", &bindir, "--keep", "--json"]))?.ok()?;
    let result = run.result()?;
    assert_eq!(check(&result, "live server")?.0, "not-checked");
    assert_eq!(check(&result, "page checksums")?.0, "passed");
    // Nobody was named to encrypt to: whoever could read the backup can read this.
    assert!(closed(&stage, &result)?.starts_with(b"{\"schema\":1,\"result\":\"drill\""));
    let kept = result["kept"].as_str().ok_or("it says what was kept")?;
    assert!(fs::exists(format!("{kept}/data/PG_VERSION"))? && !fs::exists(format!("{kept}/data/postmaster.pid"))?);
    fs::remove_dir_all(kept)?;
    stage.is_tidy()
}
