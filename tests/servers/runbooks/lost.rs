//! The host is lost, the site with the first repository, or the repository alone.

use std::fs;
use std::path::Path;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::Shutdown;
use crate::support::{Outcome, damage};

use super::stage::{Stage, second_repository};

/// The directory that a package makes, with the server's first cluster in it.
fn packaged(directory: &Path) -> Outcome {
    account().make_dir(directory)?;
    Ok(account().write(&directory.join("PG_VERSION"), "of the package\n", 0o600)?)
}

/// On Debian's layout, with WAL that was never archived on the old disk.
pub fn host(install: &'static Installation) -> Outcome {
    let mut stage = Stage::debian(install)?;
    let (trusted, etc, old) = (stage.site.public_key()?, stage.etc().display().to_string(), stage.text("old"));
    let variables = [("ETC", etc.as_str()), ("SERVICE", &etc), ("OLD", &old)];
    let reader = stage.reader("runbooks/host-lost", &["CONFIG", "PGDATA", "KEY", "TRUSTED"], &variables)?;
    let mut reader = reader.may_fail(" check");
    stage.server.archive_all()?;
    stage.insert()?;
    stage.server.switch_segment()?;
    stage.insert()?;
    let expected = stage.sum()?;
    stage.server.stop(Shutdown::Kill)?;
    fs::rename(stage.server.data(), &old)?;
    fs::remove_dir_all(stage.etc())?;
    fs::remove_file(stage.site.signing_key())?;
    packaged(stage.server.data())?;
    let before = stage.site.objects("")?;

    reader.steps(&["1", "2", "3", "4", "5"])?;
    assert_eq!(stage.sum()?, expected, "WAL that was never archived is there");
    assert_eq!(stage.server.value("show archive_mode")?, "off");
    reader.steps(&["6"])?;
    assert_eq!(stage.server.value("show archive_mode")?, "on");
    stage.site.configure(&format!("[signing]\ntrusted = [\"{trusted}\"]\n"))?;
    reader.steps(&["7"])?;
    let said = reader.steps(&["See that it worked"])?;
    assert!(said.contains("app") && !said.contains("[ended"), "{said}");
    reader.rest()?;
    reader.end(0)?;
    assert!(before.iter().all(|object| object.exists()), "something of the repository is gone");
    stage.insert()?;
    stage.server.archive_all()?;
    let expected = stage.sum()?;
    stage.site.run_with_identity(&["restore", "--target-dir", &stage.text("end"), "--to", "latest"])?.ok()?;
    assert_eq!(stage.sum_of(&stage.path("end"))?, expected);
    Ok(())
}

pub fn site(install: &'static Installation) -> Outcome {
    let mut stage = Stage::with(install, second_repository)?;
    let trusted = stage.site.public_key()?;
    let variables = [("FIRST", "local"), ("SECOND", "offsite"), ("ETC", "/nonexistent")];
    let mut reader =
        stage.reader("runbooks/site-lost", &["CONFIG", "PGDATA", "SERVICE", "KEY", "TRUSTED"], &variables)?;
    stage.server.archive_all()?;
    let expected = stage.sum()?;
    // Never left the site.
    stage.insert()?;
    stage.server.stop(Shutdown::Kill)?;
    for lost in [stage.server.data(), &stage.site.repository()] {
        fs::remove_dir_all(lost)?;
    }
    fs::remove_file(stage.site.signing_key())?;
    packaged(stage.server.data())?;

    reader.steps(&["1", "2", "3"])?;
    assert_eq!(stage.sum()?, expected);
    stage.site.configure(&format!("[signing]\ntrusted = [\"{trusted}\"]\n"))?;
    let said = reader.rest()?;
    reader.end(0)?;
    assert_eq!(said.matches("in local and offsite").count(), 2, "{said}");
    assert!(!said.contains("[ended"), "{said}");
    stage.server.archive_all()?;
    let words = ["restore", "--target-dir", &stage.text("end"), "--to", "latest", "--repository", "local"];
    stage.site.run_with_identity(&words)?.ok()?;
    assert_eq!(stage.sum_of(&stage.path("end"))?, expected);
    Ok(())
}

/// With another repository the past comes back, without one the future is safe again.
pub fn repository(install: &'static Installation) -> Outcome {
    for with_second in [true, false] {
        let stage = Stage::with(install, |site| if with_second { second_repository(site) } else { Ok(()) })?;
        let place = stage.site.repository();
        let place = place.parent().unwrap_or(Path::new("/")).display().to_string();
        let reader = stage.reader("runbooks/repository-lost", &["CONFIG"], &[("FIRST", "local"), ("PLACE", &place)])?;
        let mut reader = reader.may_fail(" status").may_fail(" check");
        stage.server.archive_all()?;
        fs::remove_dir_all(stage.site.repository())?;
        stage.insert()?;
        stage.server.switch_segment()?;
        stage.server.wait_archive_failure(0)?;
        let started = stage.server.value("select pg_postmaster_start_time()")?;
        let said = reader.steps(&["1"])?;
        reader.recognises(&said, "is not a repository");
        reader.recognises(&said, "the directory does not exist");
        reader.steps(&["2"])?;
        if with_second {
            reader.steps(&["3"])?;
            stage.site.object(&format!("/backups/{}", stage.backup))?;
        }
        reader.steps(&["4"])?;
        assert_eq!(stage.site.objects("/holds/")?.len(), 1);
        let said = reader.steps(&["See that it worked"])?;
        assert!(said.contains("none waits to be archived"), "{said}");
        assert_eq!(stage.server.value("select pg_postmaster_start_time()")?, started, "PostgreSQL was restarted");
        if with_second {
            reader.rest()?;
            reader.end(0)?;
        }
        let words = ["restore", "--target-dir", &stage.text("end"), "--to", "latest", "--repository", "local"];
        stage.site.run_with_identity(&words)?.ok()?;
        assert_eq!(stage.sum_of(&stage.path("end"))?, stage.sum()?);
    }
    Ok(())
}

/// What one repository has damaged comes from the other; a hole that both have ends with a new backup.
pub fn damaged(install: &'static Installation) -> Outcome {
    let stage = Stage::with(install, second_repository)?;
    stage.server.archive_all()?;
    let place = stage.site.repository().display().to_string();
    let variables = [("NAME", "local"), ("PLACE", place.as_str()), ("EVIDENCE", &stage.text("evidence"))];
    let mut reader = stage.reader("runbooks/repository-damaged", &["CONFIG"], &variables)?.may_fail(" verify");
    let pack = stage.site.objects("/packs/")?.remove(0);
    let sound = fs::read(&pack)?;
    damage::flip_bit(&pack, sound.len() / 2)?;
    let segment = stage.site.objects("/wal/0")?.remove(1);
    fs::remove_file(&segment)?;
    let said = reader.steps(&["1"])?;
    reader.recognises(&said, "DAMAGED");
    reader.recognises(&said, "GAP");
    reader.steps(&["2", "3"])?;
    assert!(!pack.exists(), "it is still there");
    let said = reader.steps(&["4", "See that it worked"])?;
    assert!(!said.contains("[ended") && !said.contains("DAMAGED"), "{said}");
    assert!(fs::read(&pack)? == sound && segment.exists());
    reader.rest()?;
    reader.end(0)
}

/// The only backup is damaged; the next one is not.
pub fn drill(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    account().make_dir(&stage.path("scratch"))?;
    let scratch = stage.text("scratch");
    let reader = stage.reader("runbooks/drill-failed", &["CONFIG", "BIN", "KEY"], &[("SCRATCH", &scratch)])?;
    let mut reader = reader.may_fail(" drill --identity").may_fail(" verify").may_fail(" status");
    stage.server.archive_all()?;
    let pack = stage.site.objects("/packs/")?.remove(0);
    damage::flip_bit(&pack, fs::metadata(&pack)?.len() as usize / 2)?;
    let said = reader.steps(&["1"])?;
    assert!(said.contains("[ended with 10]"), "{said}");
    let status = stage.site.run(&["status", "--wait", "30s"])?.report();
    reader.recognises(&status, "the last drill FAILED");
    reader.steps(&["2"])?;
    let said = reader.steps(&["3"])?;
    assert!(said.contains("DAMAGED") && said.contains(&stage.backup), "{said}");
    let said = reader.steps(&["See that it worked"])?;
    assert!(!said.contains("drill FAILED"), "{said}");
    reader.rest()?;
    reader.end(0)?;
    assert!(fs::read_dir(stage.path("scratch"))?.next().is_none());
    Ok(())
}

/// A run that failed for a reason that its hint removes.
pub fn backup(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let reader = stage.reader("runbooks/backup-missing", &["CONFIG"], &[])?;
    let mut reader = reader.may_fail(" backup").may_fail(" check");
    let odd = stage.server.data().join("base/core");
    std::os::unix::fs::symlink("/nonexistent/core", &odd)?;
    let dropped = stage.server.data().join("pg_xact");
    let away = stage.path("pg_xact");
    fs::rename(&dropped, &away)?;
    std::os::unix::fs::symlink(&away, &dropped)?;
    let said = reader.steps(&["1", "2", "3"])?;
    assert!(said.contains("[ended with 4]") && said.contains("hint:"), "{said}");
    assert_eq!(stage.site.objects("/backups/")?.len(), 1);
    fs::remove_file(&dropped)?;
    fs::rename(&away, &dropped)?;
    fs::remove_file(&odd)?;
    let said = reader.steps(&["3"])?;
    assert!(!said.contains("[ended"), "{said}");
    reader.rest()?;
    reader.end(1)?;
    assert_eq!(stage.site.objects("/backups/")?.len(), 2);
    Ok(())
}
