//! Drills of dumps: what they prove, what makes them fail, and that they leave nothing behind.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use super::passes::{closed, each_documented_check_passed, recorded};
use super::stage::{Stage, check, failed_alone};
use crate::support::account::account;
use crate::support::majors::{self, Installation};
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage, process};

const SLEEPS: &str =
    "[[drill.check]]\nname = \"sleep\"\ndatabase = \"postgres\"\nsql = \"select pg_sleep(600) is null\"\n";

/// What lies in the repository for everybody to read.
fn record_of(stage: &Stage, result: &Value) -> Outcome<Value> {
    Ok(serde_json::from_slice(&fs::read(stage.site.object(recorded(result)?)?)?)?)
}

pub fn passes(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    let mut stage = Stage::without_backup(install)?;
    let fast = stage.site.path("fast");
    account().make_dir(&fast)?;
    stage.server.sql(&format!("create tablespace fast location '{}'", fast.display()))?;
    stage.server.sql("create role clerk login password 'secret'; create role boss; grant boss to clerk")?;
    stage
        .server
        .sql_in("shop", "create table goods (n int primary key) tablespace fast; alter table goods owner to clerk")?;
    stage.server.sql_in("shop", "insert into goods select generate_series(1, 500); create extension hstore")?;
    stage.configure(
        "[[drill.check]]\nname = \"orders\"\ndatabase = \"postgres\"\nsql = \"select count(*) = 1000 from orders\"\n\
         [[drill.check]]\nname = \"owner\"\ndatabase = \"shop\"\n\
         sql = \"select tableowner = 'clerk' and tablespace = 'fast' from pg_tables where tablename = 'goods'\"\n",
    )?;
    // A superuser's own settings and rights are not in the way of the server that he comes to.
    stage.server.sql("alter role postgres set default_transaction_read_only = on")?;
    let dump = stage.dump(&[])?;
    let before = stage.site.objects("")?.len();
    let there = || -> Outcome<Vec<_>> { fs::read_dir(&fast)?.map(|entry| Ok(entry?.path())).collect() };
    let on_fast = there()?;
    let page = stage.site.path("drill.html").display().to_string();
    let result = stage.result(0, &["--dump", "--html", &page])?;
    assert_eq!(
        (&result["passed"], &result["of"], &result["loaded"]["dump"]),
        (&true.into(), &"dump".into(), &dump.clone().into())
    );
    each_documented_check_passed_of_dump(&result)?;
    assert!(check(&result, "rows")?.1.contains("1 507 rows in 3 tables"), "{result}");
    assert!(check(&result, "extensions")?.1.contains("1 extension"), "{result}");
    assert_eq!(there()?, on_fast, "what lies where the tablespace lay is none of ours");

    assert_eq!(stage.site.objects("")?.len(), before + 2);
    assert_eq!(serde_json::from_slice::<Value>(&closed(&stage, &result)?)?, result);
    let record = record_of(&stage, &result)?;
    assert_eq!((&record["dump"], &record["passed"]), (&dump.clone().into(), &true.into()), "{record}");
    assert!(record["load_seconds"].is_f64() && recorded(&result)?.ends_with("-dump.json"), "{record}");
    assert!(!record.to_string().contains("goods") && !record.to_string().contains("clerk"), "{record}");
    let page = fs::read_to_string(page)?;
    assert!(page.contains(&dump) && page.contains("goods") && !page.contains("http"), "{page}");

    // By its id and as any of them, and what there is not.
    for word in [dump.as_str(), "random"] {
        assert_eq!(stage.result(0, &["--dump", word])?["loaded"]["dump"], dump);
    }
    let records = stage.site.objects("/drills/")?.len();
    failed_alone(&stage.result(10, &["--dump", "2020"])?, "find the dump", "no dump 2020")?;
    assert_eq!(stage.site.objects("/drills/")?.len(), records);
    stage.drill(&["--dump", "--to", "latest"])?.status_is(2)?;
    stage.dump(&["shop", "--schema-only"])?;
    let bare = stage.result(0, &["--dump", "latest"])?;
    for (name, reason) in [
        ("rows", "--schema-only"),
        ("assertion owner", "--schema-only"),
        ("assertion orders", "no database \"postgres\""),
    ] {
        let (outcome, details) = check(&bare, name)?;
        assert!(outcome == "not-checked" && details.contains(reason), "{name}: {bare}");
    }
    Ok(())
}

fn each_documented_check_passed_of_dump(result: &Value) -> Outcome {
    // Assertions go by their names.
    let mut told = result.clone();
    let checks = told["checks"].as_array_mut().ok_or("there are checks")?;
    checks.retain(|check| check["name"] != "assertion owner");
    let phases = told["phases"].as_array_mut().ok_or("there are phases")?;
    phases.retain(|phase| phase["name"] != "assertion owner");
    assert_eq!(check(result, "assertion owner")?.0, "passed", "{result}");
    each_documented_check_passed(&told)
}

pub fn fails(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    let mut stage = Stage::without_backup(install)?;
    stage.configure("[[drill.check]]\ndatabase = \"postgres\"\nsql = \"select count(*) > 1000 from orders\"\n")?;
    stage.dump(&[])?;
    let result = stage.result(10, &["--dump"])?;
    failed_alone(&result, "assertion 1", "the answer is false")?;
    assert_eq!(record_of(&stage, &result)?["passed"], false);

    // What is read while it is loaded changes what is there: a dump that does not come back as it was.
    stage.server.sql(
        "create function grow() returns boolean language plpgsql as \
         $$ begin insert into public.orders values (0); return true; end $$; \
         create table watched (n int check (public.grow())); insert into watched values (1)",
    )?;
    stage.dump(&[])?;
    let result = stage.result(10, &["--dump"])?;
    failed_alone(&result, "load", "public.orders has 1002 rows, not 1001")?;
    assert_eq!(record_of(&stage, &result)?["passed"], false);
    assert!(
        result["next"].as_str().is_some_and(|next| next.contains("--dump 2") && next.ends_with("--keep")),
        "{result}"
    );

    // Damaged, and gone.
    for piece in stage.site.objects("/dumps/")? {
        let name = piece.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".zst.age") {
            damage::flip_bit(&piece, fs::metadata(&piece)?.len() as usize / 2)?;
        }
    }
    let result = stage.result(10, &["--dump"])?;
    let failed: Vec<_> =
        result["checks"].as_array().into_iter().flatten().filter(|it| it["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{result}");
    assert!(failed[0]["details"].as_str().is_some_and(|it| it.contains("dumps/")), "{result}");
    assert!(record_of(&stage, &result)?["dump"].is_string(), "{result}");
    Ok(())
}

/// A machine that cannot drill says so, and nothing of the dump.
pub fn elsewhere(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    let stage = Stage::without_backup(install)?;
    stage.server.sql_in("shop", "create extension hstore")?;
    stage
        .server
        .sql_in("shop", "create extension seg; update pg_extension set extname = 'nowhere' where extname = 'seg'")?;
    stage.dump(&[])?;
    let lacking = stage.result(10, &["--dump"])?;
    failed_alone(
        &lacking,
        "extensions",
        &format!("this machine lacks nowhere: apt-cache search postgresql-{}", install.major),
    )?;
    let (scratch, bindir) = (stage.scratch().display().to_string(), stage.bindir());
    let words = ["drill", "--dump", "latest", "--bindir", &bindir, "--scratch", &scratch, "--json"];
    failed_alone(&stage.site.run(&words)?.status_is(10)?.result()?, "find the dump", "no identity was given")?;
    let empty = stage.site.path("empty");
    account().make_dir(&empty)?;
    let run = stage.drill_by(&empty.display().to_string(), &["--dump", "latest", "--json"])?.status_is(10)?;
    let needs = format!("the dump is loaded into PostgreSQL {} or newer", install.major);
    failed_alone(&run.result()?, "make a server", &needs)?;
    assert_eq!(stage.site.objects("/drills/")?.len(), 0, "nothing was proven of the dump");
    // Another major does, if it is newer.
    stage.server.sql_in("shop", "update pg_extension set extname = 'seg' where extname = 'nowhere'")?;
    stage.dump(&[])?;
    for other in majors::installed(majors::REQUIRED).into_iter().filter(|other| other.major != install.major) {
        let is_newer = other.major > install.major;
        let words = ["--dump", "latest", "--json"];
        let run =
            stage.drill_by(&other.bin().display().to_string(), &words)?.status_is(if is_newer { 0 } else { 10 })?;
        match is_newer {
            true => assert!(
                run.result()?["loaded"]["postgresql"]
                    .as_str()
                    .is_some_and(|it| it.starts_with(&other.major.to_string()))
            ),
            false => failed_alone(&run.result()?, "make a server", &needs)?,
        }
    }
    Ok(())
}

fn there(stage: &Stage) -> Outcome<Vec<PathBuf>> {
    fs::read_dir(stage.scratch())?.map(|entry| Ok(entry?.path())).collect()
}

/// At its limit, by a signal, and outright: the next one takes away what is left.
pub fn ends(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    let mut stage = Stage::without_backup(install)?;
    stage.dump(&[])?;
    stage.configure(SLEEPS)?;
    let result = stage.result(10, &["--dump", "--limit", "15s"])?;
    failed_alone(&result, "time", "it was not done within 15 s")?;
    let records = stage.site.objects("/drills/")?.len();
    let (scratch, bindir) = (stage.scratch().display().to_string(), stage.bindir());
    for signal in [Signal::TERM, Signal::KILL] {
        let mut command = stage.site.command(&["drill", "--dump", "--bindir", &bindir, "--scratch", &scratch]);
        command.env("PGCAIRN_IDENTITY", stage.site.identity()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut drill = command.spawn()?;
        // What initdb runs has none.
        let is_up = |place: &PathBuf| place.join("data/postmaster.opts").exists();
        let started = wait_for("the server", || Ok(there(&stage)?.iter().any(is_up).then_some(())));
        process::signal(i32::try_from(drill.id())?, signal);
        let status = drill.wait()?;
        started?;
        if signal == Signal::TERM {
            assert_eq!(status.code(), Some(130));
            stage.is_tidy()?;
        }
    }
    assert_eq!(stage.site.objects("/drills/")?.len(), records);
    assert_eq!(there(&stage)?.len(), 1);
    process::stop_below(&stage.scratch());
    wait_for("the server to end", || Ok(process::below(&stage.scratch()).is_empty().then_some(())))?;
    let said =
        stage.site.run_with_identity(&["drill", "--dump", "2020", "--bindir", &bindir, "--scratch", &scratch])?;
    said.status_is(10)?.says(&["removed ", "which a drill that was killed had left"])?;
    stage.is_tidy()
}

/// Without a name it is the backups and the newest dump, as far as there are such.
pub fn everything(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    let stage = Stage::new(install)?;
    let alone = stage.result(0, &[])?;
    assert_eq!((&alone["of"], &alone["newest_dump"]), (&"backup".into(), &Value::Null));
    let dump = stage.dump(&[])?;
    let page = stage.site.path("drill.html").display().to_string();
    let both = stage.result(0, &["--html", &page])?;
    let (of_dump, records) = (&both["newest_dump"], stage.site.objects("/drills/")?.len());
    assert_eq!(
        (&both["of"], &of_dump["of"], &of_dump["loaded"]["dump"]),
        (&"backup".into(), &"dump".into(), &dump.into())
    );
    assert_eq!(records, 6, "each has a record and a result");
    assert_eq!(fs::read_to_string(page)?.matches(">passed</p>").count(), 2);
    for piece in stage.site.objects("/dumps/")? {
        if piece.to_string_lossy().ends_with("/1.zst.age") {
            damage::flip_bit(&piece, fs::metadata(&piece)?.len() as usize / 2)?;
        }
    }
    let run = stage.drill(&[])?.status_is(10)?.says(&["dumps/"])?;
    assert_eq!(
        (run.stdout.matches("PASSED").count(), run.stdout.matches("FAILED").count() > 0),
        (1, true),
        "{}",
        run.stdout
    );
    let failed = stage.result(10, &[])?;
    assert_eq!((&failed["passed"], &failed["newest_dump"]["passed"]), (&false.into(), &false.into()));
    assert!(record_of(&stage, &failed)?["passed"] == true, "the backup is as good as ever");
    // Dumps alone.
    let bare = Stage::without_backup(install)?;
    bare.dump(&[])?;
    assert_eq!(bare.result(0, &[])?["of"], "dump");
    Ok(())
}
