//! Archiving that stands still, for each of the reasons of the page.

use std::fs;

use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::small;

use super::reader::Reader;
use super::stage::Stage;

const PAGE: &str = "runbooks/archiving-stalled";
const SLOT: &str = "select count(*) from pg_replication_slots";

pub fn stalled(install: &'static Installation) -> Outcome {
    let mut stage = Stage::new(install)?;
    let repository = stage.site.repository().display().to_string();
    let variables = [("MOUNT", repository.as_str()), ("SLOT", "gone")];
    let reader = stage.reader(PAGE, &["CONFIG", "PGDATA"], &variables)?;
    let mut reader = reader.may_fail(" status");
    unmounted(&stage, &mut reader, &repository)?;
    slot(&stage, &mut reader)?;
    full(&mut stage, &mut reader)?;
    stage.server.archive_all()?;
    let (backups, expected) = (stage.site.objects("/backups/")?.len(), stage.sum()?);
    reader.rest()?;
    reader.end(0)?;
    assert_eq!(stage.site.objects("/backups/")?.len(), backups + 1);
    stage.site.run_with_identity(&["restore", "--target-dir", &stage.text("end"), "--to", "latest"])?.ok()?;
    assert_eq!(stage.sum_of(&stage.path("end"))?, expected);
    Ok(())
}

/// Segments pile up, and are all there when the disk is back.
fn unmounted(stage: &Stage, reader: &mut Reader, repository: &str) -> Outcome {
    fs::rename(repository, format!("{repository}.unmounted"))?;
    for _ in 0..3 {
        stage.insert()?;
        stage.server.switch_segment()?;
    }
    stage.server.wait_archive_failure(0)?;
    let said = reader.steps(&["1"])?;
    reader.recognises(&said, "files wait to be archived");
    reader.recognises(&said, "is not a repository");
    assert!(said.contains("[ended with 3]"), "{said}");
    reader.recognises(&stage.server.log(), "archive command failed with exit code");
    let waiting = stage.server.segment()?;
    let said = reader.steps(&["2", "7", "See that it worked"])?;
    assert!(said.contains("holds no gap in the WAL") && !said.contains("[ended"), "{said}");
    stage.server.wait_archived(&waiting)
}

fn slot(stage: &Stage, reader: &mut Reader) -> Outcome {
    stage.server.sql("select pg_create_physical_replication_slot('gone', true)")?;
    let said = reader.steps(&["4"])?;
    assert!(said.contains("gone") && said.contains("keeps"), "{said}");
    assert_eq!(stage.server.value(SLOT)?, "0");
    Ok(())
}

/// What retention does not keep is deleted, and nothing else.
fn full(stage: &mut Stage, reader: &mut Reader) -> Outcome {
    stage.site.configure("[retention]\nrecovery_window = \"1s\"\nminimum = 1\n")?;
    let last = small::backup(&stage.site)?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    reader.steps(&["3"])?;
    assert!(stage.site.objects(&stage.backup)?.is_empty(), "the space of the old backup is not free");
    assert!(!stage.site.objects(&last)?.is_empty());
    Ok(())
}
