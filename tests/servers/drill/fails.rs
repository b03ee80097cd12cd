//! Every way in which a restore can be worth nothing, and that the drill says so, with the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Signal;

use super::stage::{Stage, check, failed_alone};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::mounted::Mounted;
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage, process};

pub fn assertions(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    let table = |name: &str, database: &str, sql: &str| {
        format!("[[drill.check]]\nname = \"{name}\"\ndatabase = \"{database}\"\nsql = \"{sql}\"\n")
    };
    let tables = [
        table("new", "postgres", "select count(*) from orders where n > 1000"),
        table("text", "postgres", "select 'true'"),
        table("two", "postgres", "select true, false"),
        table("rows", "postgres", "select n > 0 from orders"),
        "[[drill.check]]\ndatabase = \"postgres\"\nsql = \"select n is null from orders limit 1\"\n".to_owned(),
        table("false", "shop", "select 1 = 2"),
        table("null", "shop", "select null::boolean"),
        table("none", "shop", "select true where false"),
        table("gone", "nowhere", "select true"),
        table("writes", "postgres", "delete from orders returning true"),
        table("well", "postgres", "select true"),
    ];
    stage.configure(&format!("[objectives]\nrto = \"1ms\"\n\n{}", tables.concat()))?;
    let result = stage.result(10, &[])?;
    for (name, reason) in [
        ("assertion new", "the answer is no boolean"),
        ("assertion text", "the answer is no boolean"),
        ("assertion two", "the answer is no boolean"),
        ("assertion rows", "there is more than one answer"),
        ("assertion 5", "the answer is false, and must be true"),
        ("assertion false", "the answer is false, and must be true"),
        ("assertion null", "the answer is null"),
        ("assertion none", "there is no answer"),
        ("assertion gone", "\"nowhere\" does not exist"),
        ("assertion writes", "read-only"),
        ("recovery time", ", and rto is 0.00 s"),
    ] {
        let (outcome, details) = check(&result, name)?;
        assert!(outcome == "failed" && details.contains(reason), "{name}: {result}");
    }
    assert_eq!(check(&result, "assertion well")?.0, "passed");
    let record = fs::read_to_string(stage.site.object(result["recorded"].as_str().ok_or("it is recorded")?)?)?;
    assert!(record.contains("\"assertion 5\"") && !record.contains("select") && !record.contains("orders"), "{record}");
    assert!(check(&result, "rows")?.1.contains("1 008 rows"), "an assertion has changed the copy: {result}");
    Ok(())
}

/// What the backup brought has gone, as on the server; then it is the server alone that has some.
pub fn tables(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    stage.server.sql("drop table orders")?;
    stage.server.archive_all()?;
    let result = stage.result(10, &[])?;
    failed_alone(&result, "relations", "postgres lacks 2")?;
    // The failure is on record, and status says so.
    stage.site.run(&["status", "--wait", "20s"])?.status_is(3)?.says(&["drill:", "FAILED"])?;
    let made = (0..20).map(|n| format!("create table new{n} (n int);")).collect::<String>();
    stage.server.sql(&made)?;
    let end = stage.result(10, &[])?;
    let (outcome, details) = check(&end, "live server")?;
    assert!(outcome == "failed" && details.contains("postgres.public.new0"), "{end}");
    let end = stage.result(0, &["--backup", "latest"])?;
    assert_eq!(check(&end, "live server")?.0, "not-checked", "{end}");
    Ok(())
}

/// A page that was bad when it was backed up lies in an object that is sound.
pub fn pages(install: &'static Installation) -> Outcome {
    install.needs("pg_checksums")?;
    let stage = Stage::new(install)?;
    // A setting of the database is not to hide it.
    stage.server.sql("alter database postgres set ignore_checksum_failure = on")?;
    let file = stage.server.value("select pg_relation_filepath('orders')")?;
    stage.server.sql("checkpoint")?;
    stage.server.stop(crate::support::server::Shutdown::Fast)?;
    damage::flip_bit(&stage.server.data().join(file), 4096)?;
    stage.server.start()?;
    stage.site.run(&["backup"])?.status_is(3)?;
    let result = stage.result(10, &["--backup", "latest"])?;
    for name in ["rows", "amcheck", "page checksums"] {
        assert_eq!(check(&result, name)?.0, "failed", "{name}: {result}");
    }
    assert!(check(&result, "rows")?.1.contains("postgres.public.orders"), "{result}");
    assert!(check(&result, "page checksums")?.1.contains("checksum verification failed"), "{result}");
    Ok(())
}

pub fn what_restore_refuses(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    failed_alone(&stage.result(10, &["--to", "2099-01-01T00:00:00Z"])?, "restore", "2099")?;
    let (scratch, bindir) = (stage.scratch().display().to_string(), stage.bindir());
    let words = ["drill", "--bindir", &bindir, "--scratch", &scratch, "--json"];
    let records = stage.site.objects("/drills/")?.len();
    let without_key = stage.site.run(&words)?.status_is(10)?.result()?;
    failed_alone(&without_key, "restore", "no identity was given")?;
    assert_eq!(stage.site.objects("/drills/")?.len(), records, "the backups are as good as ever: {without_key}");
    let next = without_key["next"].as_str().unwrap_or_default();
    assert!(next.ends_with(" --identity FILE"), "{next}");
    stage.is_tidy()?;
    // A hole in the WAL behind the backup.
    for _ in 0..3 {
        stage.server.sql("insert into orders values (1); select pg_switch_wal()")?;
    }
    stage.server.archive_all()?;
    let mut segments = stage.site.objects("/wal/")?;
    segments.retain(|path| path.to_string_lossy().ends_with(".zst.age") && !path.to_string_lossy().contains("backup"));
    segments.sort();
    fs::remove_file(&segments[segments.len() - 2])?;
    let result = stage.result(10, &[])?;
    failed_alone(&result, "restore", "missing")?;
    // An object that is damaged.
    for pack in stage.site.objects("/packs/")? {
        damage::flip_bit(&pack, 900)?;
    }
    let result = stage.result(10, &["--backup", "latest"])?;
    failed_alone(&result, "restore", "packs/").map(drop)
}

pub fn no_server(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let empty = stage.site.path("empty");
    account().make_dir(&empty)?;
    let run = stage.drill_by(&empty.display().to_string(), &["--json"])?.status_is(10)?;
    let major = format!("the copy needs PostgreSQL {}", install.major);
    failed_alone(&run.result()?, "restore", &major)?;
    // One that looks right and does not start.
    let (broken, real) = (stage.site.path("broken"), stage.bindir());
    account().make_dir(&broken)?;
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec {real}/postgres --version\necho 'FATAL:  it does not start' >&2\nexit 1\n"
    );
    for (name, text) in [("postgres", script), ("initdb", "#!/bin/sh\nexit 1\n".to_owned())] {
        account().write(&broken.join(name), text, 0o755)?;
        fs::set_permissions(broken.join(name), fs::Permissions::from_mode(0o755))?;
    }
    let run = stage.drill_by(&broken.display().to_string(), &["--json"])?.status_is(10)?;
    failed_alone(&run.result()?, "replay", "it does not start")
}

pub fn out_of_space(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let small = Mounted::over(&stage.scratch(), "size=16m,mode=777")?;
    failed_alone(&stage.result(10, &[])?, "restore", " bytes, ")?;
    drop(small);
    let nowhere = stage.site.path("nowhere").display().to_string();
    let said = stage.site.run_with_identity(&["drill", "--scratch", &nowhere])?;
    said.status_is(4)?.says(&["no copy can be made in", "--scratch DIR"]).map(drop)
}

/// A drill that takes too long has failed; one that is told to end has proven nothing, and leaves nothing.
pub fn time_and_signals(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    stage.configure(
        "[[drill.check]]\nname = \"sleep\"\ndatabase = \"postgres\"\nsql = \"select pg_sleep(600) is null\"\n",
    )?;
    let result = stage.result(10, &["--limit", "15s"])?;
    failed_alone(&result, "time", "it was not done within 15 s")?;
    let records = stage.site.objects("/drills/")?.len();
    let (scratch, bindir) = (stage.scratch().display().to_string(), stage.bindir());
    let mut command = stage.site.command(&["drill", "--bindir", &bindir, "--scratch", &scratch]);
    command.env("PGCAIRN_IDENTITY", stage.site.identity()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut drill = command.spawn()?;
    let pid = i32::try_from(drill.id())?;
    let started =
        wait_for("the server on the copy", || Ok((!process::below(&stage.scratch()).is_empty()).then_some(())));
    // However often.
    for _ in 0..3 {
        process::signal(pid, Signal::TERM);
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    let status = drill.wait()?;
    started?;
    assert_eq!(status.code(), Some(130));
    stage.is_tidy()?;
    assert_eq!(stage.site.objects("/drills/")?.len(), records);
    assert!(process::below(&stage.scratch()).is_empty(), "a server goes on");
    Ok(())
}

/// The next drill takes away what one that was killed has left, and nothing that is in use or was to stay.
pub fn killed(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    let (scratch, bindir) = (stage.scratch().display().to_string(), stage.bindir());
    let words = ["drill", "--bindir", &bindir, "--scratch", &scratch];
    stage.site.run_with_identity(&[&words[..], &["--keep"]].concat())?.ok()?;
    let there = |stage: &Stage| -> Outcome<Vec<PathBuf>> {
        fs::read_dir(stage.scratch())?.map(|entry| Ok(entry?.path())).collect()
    };
    let kept = there(&stage)?;
    let sleeps = "[[drill.check]]\nname = \"sleep\"\ndatabase = \"postgres\"\nsql = \"select pg_sleep(600) is null\"\n";
    stage.configure(sleeps)?;
    let mut command = stage.site.command(&words);
    command.env("PGCAIRN_IDENTITY", stage.site.identity()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut drill = command.spawn()?;
    let is_there = |place: &PathBuf| !kept.contains(place) && place.join("data/postmaster.pid").exists();
    let started = wait_for("the server on the copy", || {
        let is_up = there(&stage)?.iter().any(is_there) && !process::below(&stage.scratch()).is_empty();
        Ok(is_up.then_some(()))
    });
    // Somebody else's drill, and one that has no room for its own.
    let other = ["drill", "--bindir", &bindir, "--scratch", &scratch, "--to", "2099-01-01T00:00:00Z"];
    let beside = stage.site.run_with_identity(&other);
    let left = there(&stage)?;
    process::signal(i32::try_from(drill.id())?, Signal::KILL);
    drill.wait()?;
    started?;
    assert_eq!(beside?.status_is(10)?.stderr.matches("was killed").count(), 0);
    assert_eq!(left.len(), 2, "{left:?}");
    let place = left.iter().find(|path| !kept.contains(path)).ok_or("the drill has a directory")?;
    let pid = fs::read_to_string(place.join("data/postmaster.pid"))?;
    let pid = pid.lines().next().unwrap_or_default();
    let said = stage.site.run_with_identity(&other)?.status_is(10)?;
    let advice = format!("where its server goes on: kill -QUIT {pid}");
    let told = said.says(&[&advice]);
    process::signal(pid.parse()?, Signal::QUIT);
    wait_for("the server to end", || Ok(process::below(&stage.scratch()).is_empty().then_some(())))?;
    told?;
    stage
        .site
        .run_with_identity(&other)?
        .status_is(10)?
        .says(&["removed ", "which a drill that was killed had left"])?;
    assert_eq!(there(&stage)?, kept);
    Ok(())
}
