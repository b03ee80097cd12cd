//! A page of a table is damaged on the disk, below a live server.

use std::fs;

use crate::support::majors::Installation;
use crate::support::server::Shutdown;
use crate::support::{Outcome, damage};

use super::stage::Stage;

const PAGE: &str = "runbooks/corruption";
const SECOND_PAGE: usize = 8192;

pub fn found(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let expected = stage.sum()?;
    let file = stage.server.sql_in("app", "checkpoint; select pg_relation_filepath('orders')")?.concat().concat();
    stage.server.stop(Shutdown::Fast)?;
    let path = stage.server.data().join(&file);
    damage::flip_bit(&path, SECOND_PAGE + 5000)?;
    let damaged = fs::read(&path)?;
    stage.server.start()?;

    let evidence = stage.text("evidence");
    let usual = ["CONFIG", "BIN", "PGDATA", "KEY", "COPY", "DB", "TABLE"];
    let reader = stage.reader(PAGE, &usual, &[("EVIDENCE", &evidence), ("CLEAN", "latest~1")])?;
    let mut reader = reader.may_fail(" backup");
    let refused = stage.sum().err().map(|stop| format!("{stop:?}")).unwrap_or_default();
    reader.recognises(&refused, "invalid page in block");
    let said = stage.site.run(&["backup"])?.status_is(3)?.report();
    reader.recognises(&said.replace('\n', " "), "DAMAGED in the live database");

    let said = reader.steps(&["1"])?;
    assert!(said.contains(&format!("{} is held", stage.backup)) || said.contains(&stage.backup), "{said}");
    reader.steps(&["2"])?;
    let kept = stage.path("evidence").join(path.file_name().unwrap_or_default());
    assert!(fs::read(&kept)? == damaged, "the evidence is not what lay on the disk");
    let shown = fs::read_to_string(stage.path("evidence/backup.txt"))?;
    assert!(shown.contains(&file), "{shown}");
    // Named once more, by a backup that takes no clean one's place.
    assert!(reader.steps(&["3"])?.contains("[ended with 3]"));
    reader.set("CLEAN", &stage.backup);
    reader.steps(&["4"])?;
    assert!(stage.insert().is_err(), "somebody can still write");
    reader.steps(&["5", "6"])?;
    assert_eq!(stage.sum()?, expected);
    let said = reader.steps(&["See that it worked"])?;
    assert!(!said.contains("[ended"), "{said}");
    reader.rest()?;
    reader.end(0)?;
    stage.insert()?;
    assert!(fs::read(&kept)? == damaged && stage.site.objects("/holds/")?.is_empty());
    stage.is_quiet(&stage.path("copy"))
}
