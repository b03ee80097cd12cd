//! What a drill proves of a sound backup.

use std::fs;

use super::stage::{Stage, check};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};

pub fn passes(install: &'static Installation) -> Outcome {
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
    for name in ["target", "relations", "rows", "live server", "amcheck", "visibility", "assertion orders"] {
        assert_eq!(check(&result, name)?.0, "passed", "{name}: {result}");
    }
    for name in ["page checksums", "recovery time", "data age"] {
        assert_eq!(check(&result, name)?.0, "passed", "{name}: {result}");
    }
    let tables = &result["databases"][0]["tables"];
    let odd = tables.as_array().into_iter().flatten().find(|table| table["name"] == "odd \"name");
    assert_eq!(odd.map(|table| &table["rows"]), Some(&7.into()), "{result}");
    assert!(check(&result, "rows")?.1.contains("1 008 rows in 2 tables"), "{result}");

    // The record is all that is new, and it tells no names.
    assert_eq!(stage.site.objects("")?.len(), before + 1);
    let record = fs::read_to_string(stage.site.object("/drills/")?)?;
    assert!(record.contains(&stage.backup) && record.contains("\"passed\":true"), "{record}");
    assert!(!record.contains("odd") && !record.contains("orders\\\""), "{record}");
    assert_eq!(stage.server.value("select archived_count from pg_stat_archiver")?, archived);
    let page = fs::read_to_string(page)?;
    assert!(page.contains("odd &quot;name") && !page.contains("<script") && !page.contains("http"), "{page}");
    let told = stage.site.run(&["status", "--wait", "20s", "--json"])?.json()?;
    assert_eq!(told["repositories"][0]["last_drill"]["passed"], true, "{told}");
    stage.site.run(&["status", "--wait", "20s"])?.ok()?.says(&["drill:", "passed"]).map(drop)
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

/// Expiry never drops the newest backup that a drill has proven.
pub fn keeps_what_is_proven(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    stage.result(0, &["--backup", &stage.backup])?;
    for _ in 0..2 {
        stage.site.run(&["backup"])?.ok()?;
    }
    stage.configure("[retention]\nrecovery_window = \"1s\"\nminimum = 1\n")?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let told = stage.site.run(&["expire", "--dry-run", "--json"])?.ok()?.json()?;
    let rows = told["backups"].as_array().cloned().unwrap_or_default();
    let proven = rows.iter().find(|row| row["id"] == stage.backup).ok_or("the backup is listed")?;
    assert_eq!(proven["kept"], true, "{told}");
    assert_eq!(rows.iter().filter(|row| row["kept"] == true).count(), 2, "{told}");
    Ok(())
}

/// With a repository and the key alone, as on a host that never saw the database; what was kept is whole.
pub fn elsewhere(install: &'static Installation) -> Outcome {
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
    let kept = result["kept"].as_str().ok_or("it says what was kept")?;
    assert!(fs::exists(format!("{kept}/data/PG_VERSION"))? && !fs::exists(format!("{kept}/data/postmaster.pid"))?);
    fs::remove_dir_all(kept)?;
    stage.is_tidy()
}
