//! The pages of docs/migrate: another tool beside pgcairn, which fails when it likes and takes no file twice; and a dump
//! out of a backup.

use std::fs;
use std::path::PathBuf;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::run;
use crate::support::site::{Run, binary};
use crate::support::wait::wait_for;
use crate::support::{Outcome, small};

use super::stage::{Stage, sum};

/// Failures after which PostgreSQL has called the command again; it tries three times, then waits for the next segment.
const AGAIN: u64 = 2;

/// As `test ! -f … && cp …` does it, but where `fail` lies beside it.
struct Old<'s> {
    stage: &'s Stage,
    directory: PathBuf,
}

impl<'s> Old<'s> {
    fn new(stage: &'s Stage) -> Outcome<Old<'s>> {
        let old = Old { stage, directory: stage.path("old") };
        account().make_dir(&old.directory)?;
        let (program, directory) = (stage.path("old-archive"), old.directory.display().to_string());
        let script = format!(
            "#!/bin/sh\nname=$(basename \"$1\")\ntest ! -e '{directory}.fail' && test ! -f '{directory}/'$name && \
             cp \"$1\" '{directory}/'$name\n"
        );
        account().write(&program, script, 0o755)?;
        Ok(old)
    }

    /// With quotes in it, as others' commands have them.
    fn command(&self) -> String {
        format!("'{}' %p", self.stage.text("old-archive"))
    }

    fn fails(&self, fails: bool) -> Outcome {
        let sign = self.stage.path("old.fail");
        if fails {
            account().write(&sign, "", 0o600)?
        } else {
            fs::remove_file(sign)?
        }
        Ok(())
    }

    fn has(&self, segment: &str) -> bool {
        self.directory.join(segment).exists()
    }

    fn count(&self) -> Outcome<usize> {
        Ok(fs::read_dir(&self.directory)?.count())
    }
}

pub fn side_by_side(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    stage.server.archive_all()?;
    let old = Old::new(&stage)?;
    let scratch = stage.text("scratch");
    account().make_dir(&stage.path("scratch"))?;
    let new = stage.site.archive_command();
    let command = old.command();
    let variables = [("NEW", new.trim_matches('\'')), ("OLD", &command), ("SCRATCH", &scratch)];
    let mut reader = stage.reader("migrate/README", &["CONFIG", "BIN", "KEY"], &variables)?.may_fail(" check");
    reader.steps(&["1", "2", "3"])?;
    assert!(old.count()? > 0, "the old one is not called");
    the_old_one_fails(&stage, &old)?;
    pgcairn_fails(&stage, &old)?;
    both_have_the_same(&stage, &old)?;
    reader.steps(&["4", "5"])?;
    let said = reader.rest()?;
    reader.end(0)?;
    assert!(!said.contains("[ended"), "{said}");
    let before = old.count()?;
    stage.insert()?;
    stage.server.archive_all()?;
    assert_eq!(old.count()?, before, "the old one is still called");
    let words = ["restore", "--target-dir", &stage.text("end"), "--to", "latest"];
    stage.site.run_with_identity(&words)?.ok()?;
    assert_eq!(stage.sum_of(&stage.path("end"))?, stage.sum()?);
    Ok(())
}

/// A segment that was written while one of both fails; it is not taken as archived.
fn unacknowledged(stage: &Stage) -> Outcome<String> {
    stage.insert()?;
    let before: u64 = stage.server.value("select failed_count from pg_stat_archiver")?.parse()?;
    let segment = stage.server.switch_segment()?;
    wait_for("failures of archive_command", || {
        let failed: u64 = stage.server.value("select failed_count from pg_stat_archiver")?.parse()?;
        Ok((failed >= before + AGAIN).then_some(()))
    })?;
    assert_eq!(stage.server.value(&format!("select last_archived_wal < '{segment}' from pg_stat_archiver"))?, "t");
    assert!(stage.server.data().join(format!("pg_wal/archive_status/{segment}.ready")).exists());
    Ok(segment)
}

fn the_old_one_fails(stage: &Stage, old: &Old) -> Outcome {
    old.fails(true)?;
    let segment = unacknowledged(stage)?;
    assert!(!old.has(&segment) && stage.site.object(&segment).is_ok());
    old.fails(false)?;
    stage.server.archive_all()?;
    assert!(old.has(&segment));
    Ok(())
}

fn pgcairn_fails(stage: &Stage, old: &Old) -> Outcome {
    let (repository, away) = (stage.site.repository(), stage.path("away"));
    fs::rename(&repository, &away)?;
    let segment = unacknowledged(stage)?;
    assert!(!old.has(&segment), "the old one would be asked twice for it");
    fs::rename(&away, &repository)?;
    stage.server.archive_all()?;
    assert!(old.has(&segment) && stage.site.object(&segment).is_ok());
    Ok(())
}

fn both_have_the_same(stage: &Stage, old: &Old) -> Outcome {
    let fetched = stage.path("RECOVERYXLOG");
    for entry in fs::read_dir(&old.directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut fetch = account().command(binary());
        fetch.arg("--config").arg(stage.site.config()).args(["wal", "fetch", &name]).arg(&fetched);
        Run::of(fetch.env("PGCAIRN_IDENTITY", stage.site.identity()).current_dir(stage.server.data()))?.ok()?;
        assert!(fs::read(&fetched)? == fs::read(entry.path())?, "{name} differs");
    }
    stage.site.run(&["wal", "list", "--gaps"])?.ok().map(drop)
}

pub fn dump(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    let stage = Stage::new(install)?;
    stage.server.archive_all()?;
    let expected = stage.sum()?;
    let dump = stage.text("app.dump");
    let mut reader =
        stage.reader("migrate/from-pg_dump", &["CONFIG", "BIN", "KEY", "COPY", "DB"], &[("DUMP", &dump)])?;
    let said = reader.rest()?;
    reader.end(0)?;
    assert!(said.contains("Archive created at"), "{said}");
    stage.server.sql_in("postgres", "drop database app with (force)")?;
    run(stage.server.program("pg_restore").args(["-C", "-d", "postgres", &dump]))?;
    assert_eq!(sum(&stage.server)?, expected);
    stage.is_quiet(&stage.path("copy"))?;
    small::backup(&stage.site).map(drop)
}
