//! On a quiet server the backup is the data directory, byte for byte, and so is what is restored from it.

use std::path::Path;

use super::quiet::{ODD_NAMES, Quiet, SUMS, quiet};
use super::rules::to_be_copied;
use crate::support::Outcome;
use crate::support::image::{Image, Node};
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};

pub fn image_equals_data_directory(install: &'static Installation) -> Outcome {
    let quiet = quiet(install)?;
    let whole = Image::of_directory(quiet.server.data())?;
    let expected = to_be_copied(&whole, &quiet.version_directory()?);
    let mut found = Image::assemble(&quiet.site, &quiet.id)?;
    check_added(&quiet, &mut found)?;
    found.must_equal(&expected)?;
    check_variety(&whole, &expected);
    let warnings = ["odd/fifo", "odd/link to a file", "odd/link to a directory", "pg_wal"];
    quiet.run.clone().says(&warnings)?;
    assert_eq!(quiet.backup["skipped_files"], 4, "with the link in the place of pg_ident.conf");
    Ok(())
}

/// What a backup holds beside the data directory.
fn check_added(quiet: &Quiet, found: &mut Image) -> Outcome {
    let label = String::from_utf8_lossy(found.file("backup_label").ok_or("no backup_label")?).into_owned();
    assert!(label.starts_with("START WAL LOCATION: ") && label.contains(&quiet.id), "{label}");
    assert!(found.file("tablespace_map").is_some_and(|map| !map.is_empty()), "no tablespace_map");
    let outside = quiet.outside.join("outside.conf");
    let captured = format!("pgcairn_config{}", outside.display());
    assert_eq!(found.file(&captured), Some(b"work_mem = '7MB'\n".as_slice()));
    let linked = format!("pgcairn_config{}", quiet.server.data().join("pg_ident.conf").display());
    assert!(found.file(&linked).is_some(), "a link leads out of the data directory, and what it leads to is lost");
    assert!(found.file("pgcairn_config/environment.json").is_some());
    for added in ["backup_label", "tablespace_map", "pgcairn_config"] {
        found.take(added);
    }
    Ok(())
}

/// The comparison is worth something: what it is about is there, and what must be left out was there.
fn check_variety(whole: &Image, expected: &Image) {
    for name in ODD_NAMES {
        assert!(expected.nodes.contains_key(&[b"odd/", name].concat()), "{}", name.escape_ascii());
    }
    let count = |image: &Image, wanted: &dyn Fn(&[u8]) -> bool| image.nodes.keys().filter(|path| wanted(path)).count();
    let temporary = |path: &[u8]| {
        path.rsplit(|b| *b == b'/')
            .next()
            .is_some_and(|name| name.starts_with(b"t3_") || name.starts_with(b"t4_") || name.starts_with(b"t5_"))
    };
    let init = |path: &[u8]| path.ends_with(b"_init");
    let in_tablespace =
        |path: &[u8]| path.starts_with(b"pg_tblspc/") && path.iter().filter(|b| **b == b'/').count() == 4;
    assert_eq!(count(expected, &init), 6, "two unlogged tables, their indexes, what is TOAST of one");
    assert!(count(expected, &in_tablespace) > 100, "a database lies in the tablespace");
    assert_eq!(count(expected, &temporary), 0);
    assert!(whole.nodes.len() > expected.nodes.len() + 10, "{} and {}", whole.nodes.len(), expected.nodes.len());
}

pub fn restored_equals_image(install: &'static Installation) -> Outcome {
    let quiet = quiet(install)?;
    let scratch = Scratch::new()?;
    let (target, moved) = (scratch.join("target"), scratch.join("moved"));
    let mapping = format!("{}={}", quiet.fast().display(), moved.display());
    let directory = target.display().to_string();
    quiet
        .site
        .run_with_identity(&["restore", "--backup", &quiet.id, "--target-dir", &directory, "--tablespace", &mapping])?
        .ok()?;
    let mut expected = Image::assemble(&quiet.site, &quiet.id)?;
    let mut found = Image::of_directory(&target)?;
    check_changed(&quiet, &mut found, &mut expected, &moved)?;
    found.must_equal(&expected)?;
    check_started(&quiet, install, &target, &moved)
}

/// What a restore writes itself.
fn check_changed(quiet: &Quiet, found: &mut Image, expected: &mut Image, moved: &Path) -> Outcome {
    let text = |image: &Image, path: &str| -> Outcome<String> {
        Ok(String::from_utf8_lossy(image.file(path).ok_or(format!("no {path}"))?).into_owned())
    };
    let origin = quiet.server.data().display().to_string();
    for path in ["postgresql.conf", "conf.d/inside.conf"] {
        let kept: String = text(found, path)?.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!kept.contains(&origin), "{path} leads to the origin:\n{kept}");
        assert!(text(expected, path)?.contains(&origin), "{path} led nowhere");
    }
    assert!(text(found, "postgresql.auto.conf")?.contains("recovery_target = 'immediate'"));
    assert!(text(found, "tablespace_map")?.contains(&moved.display().to_string()));
    let changed = ["postgresql.conf", "conf.d/inside.conf", "postgresql.auto.conf", "tablespace_map"];
    for path in changed {
        found.take(path);
        expected.take(path);
    }
    let wal = found.take("pgcairn_wal");
    assert!(wal.contains_key(b"pgcairn_wal/index.json".as_slice()), "{:?}", wal.keys());
    assert_eq!(found.take("recovery.signal").len(), 1);
    assert_eq!(found.take("pg_ident.conf").len(), 1, "one of its own for the link that is not restored");
    for node in expected.nodes.values_mut() {
        if let Node::Link { target } = node {
            *target = moved.to_string_lossy().into_owned().into_bytes();
        }
    }
    Ok(())
}

fn check_started(quiet: &Quiet, install: &'static Installation, target: &Path, moved: &Path) -> Outcome {
    let restored = Server::adopt(install, target)?;
    restored.start()?;
    restored.wait_paused()?;
    for (setting, name) in [
        ("data_directory", ""),
        ("config_file", "/postgresql.conf"),
        ("hba_file", "/pg_hba.conf"),
        ("ident_file", "/pg_ident.conf"),
    ] {
        assert_eq!(restored.value(&format!("show {setting}"))?, format!("{}{name}", target.display()));
    }
    assert_eq!(restored.value("show work_mem")?, "4MB", "a file outside of the copy was read");
    assert_eq!(restored.value("show maintenance_work_mem")?, "33MB", "a file of the copy was not read");
    restored.sql("select pg_wal_replay_resume()")?;
    restored.wait_promoted()?;
    assert_eq!(restored.psql(SUMS)?, quiet.server.psql(SUMS)?);
    assert_eq!(restored.value("select count(*) from careless")?, "0");
    assert_eq!(restored.value("select count(*) from careless_fast")?, "0");
    assert_eq!(restored.value("select last_value > 0 from counted")?, "t");
    let location = restored.value("select pg_tablespace_location(oid) from pg_tablespace where spcname = 'fast'")?;
    assert_eq!(location, moved.display().to_string());
    assert_eq!(restored.client_of("other")?.query("select n from there", &[])?.len(), 100);
    for command in ["cleaned", "ended"] {
        assert!(!quiet.outside.join(command).exists(), "the origin's command ran in the copy: {command}");
    }
    restored.amcheck()?;
    restored.stop(Shutdown::Fast)?;
    restored.verify_checksums()
}
