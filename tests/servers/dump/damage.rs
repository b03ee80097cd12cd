//! Damage is told before a database has its name, and what was begun is taken away again.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::{LARGE, Place, content_of, script};
use crate::support::majors::Installation;
use crate::support::process::signal;
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage};

pub fn damage(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    place.dump(&[], 0)?;
    let there = Place::databases(&place.server)?;
    let objects = place.site.objects("/dumps/")?;
    assert!(objects.len() >= 6, "{objects:?}");
    for object in objects {
        let sound = fs::read(&object)?;
        for harm in ["flipped", "cut", "gone"] {
            match harm {
                "flipped" => damage::flip_bit(&object, sound.len() / 2)?,
                "cut" => damage::truncate(&object, sound.len() - 1)?,
                _ => fs::remove_file(&object)?,
            }
            let run = place.restore_any(&place.server, &["--globals", "--database", "postgres=copy"])?;
            assert!([5, 10].contains(&run.status), "{} {harm}: {}", object.display(), run.report());
            assert_eq!(Place::databases(&place.server)?, there, "{} {harm}", object.display());
            if object.exists() {
                fs::remove_file(&object)?;
            }
            crate::support::account::account().write(&object, &sound, 0o640)?;
        }
    }
    place.restore(&place.server, &["--database", "postgres=copy"], 0)?;
    assert_eq!(content_of(&place.server, "copy")?, content_of(&place.server, "postgres")?);
    Ok(())
}

/// The newest is broken, which is not missing: nobody is given an older one without a word.
pub fn newest(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", "create table t as select 1 as a")?;
    let dump = || -> Outcome<String> {
        let id = place.dump(&["--json"], 0)?.result()?["id"].as_str().unwrap_or_default().to_owned();
        place
            .site
            .objects(&format!("{id}.json"))?
            .pop()
            .map(|path| path.display().to_string())
            .ok_or("no marker".into())
    };
    let (first, second) = (dump()?, dump()?);
    let plan = ["--database", "postgres=copy", "--plan"];
    damage::flip_bit(Path::new(&second), 40)?;
    place.restore(&place.server, &plan, 0)?.says(&["warning: ", "has SHA-256", "use another dump"])?;
    damage::flip_bit(Path::new(&first), 40)?;
    place.restore(&place.server, &plan, 10)?.says(&["has SHA-256", "use another dump"])?;
    Ok(())
}

/// SIGTERM in the middle: no database of the name is there; what is loaded waits under its own.
pub fn killed(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    place.dump(&[], 0)?;
    let there = Place::databases(&place.server)?;
    let (bindir, connection) = (place.bindir(), place.server.connection());
    let words =
        ["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir, "--database", "postgres=copy"];
    let mut command = place.site.command(&words);
    let mut child = command.env("PGCAIRN_IDENTITY", place.site.identity()).spawn()?;
    wait_for("rows on their way", || {
        let busy =
            "select count(*)::text from pg_stat_activity where query like 'COPY %account%' and datname like 'pgcairn%'";
        Ok((place.server.value(busy)? != "0").then_some(()))
    })?;
    signal(child.id().cast_signed(), Signal::TERM);
    assert_eq!(child.wait()?.code(), Some(130));
    let mut left = Place::databases(&place.server)?;
    left.retain(|name| !there.contains(name));
    assert!(left.len() == 1 && left[0].starts_with("pgcairn_"), "{left:?}");
    Ok(())
}
