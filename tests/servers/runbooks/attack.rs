//! Somebody was on the host: what he could write to is worthless, the repository out of his reach is not.

use std::fs;
use std::path::Path;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::{Outcome, damage};

use super::stage::{Stage, second_repository};

pub fn ransomware(install: &'static Installation) -> Outcome {
    install.needs("pg_checksums")?;
    let stage = Stage::with(install, second_repository)?;
    let (before, expected) = (stage.moment()?, stage.sum()?);
    let trusted = stage.site.public_key()?;
    // Whoever came in.
    stage.server.sql("create role intruder superuser")?;
    stage.server.sql_in("app", "update orders set total = 0")?;
    stage.site.run(&["backup"])?.ok()?;
    stage.server.archive_all()?;
    for (number, object) in stage.site.objects("")?.iter().enumerate() {
        if number % 2 == 0 { fs::remove_file(object)? } else { damage::replace(object, b"pay")? }
    }
    let safe = stage.site.path("offsite");
    let there = listed(&safe)?;

    let config = stage.path("restore.toml");
    let text = format!("name = \"main\"\n[[repository]]\nname = \"offsite\"\nurl = \"file://{}\"\n", safe.display());
    account().write(&config, text, 0o644)?;
    let config = config.display().to_string();
    let variables = [("CONFIG", config.as_str()), ("TRUSTED", &trusted), ("OLDEST", ""), ("BEFORE", &before)];
    let mut reader = stage.reader("runbooks/ransomware", &["BIN", "KEY", "COPY"], &variables)?;
    let copy = stage.path("copy");
    let said = reader.steps(&["2", "3", "4", "5"])?;
    assert!(!said.contains("intruder"), "what came later is in the copy: {said}");
    assert_eq!(stage.sum_at(&copy, &copy.join("pgcairn_server"))?, expected);
    reader.rest()?;
    reader.end(0)?;
    assert!(!copy.exists());
    assert_eq!(listed(&safe)?, there, "the only sound repository was written to");
    Ok(())
}

/// Every file with its size.
fn listed(root: &Path) -> Outcome<Vec<(String, u64)>> {
    let objects = crate::several::place::objects(root, "")?;
    objects.iter().map(|path| Ok((path.display().to_string(), fs::metadata(path)?.len()))).collect()
}
