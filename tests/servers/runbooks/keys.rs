//! The identity is lost, or somebody else has it too.

use std::fs;
use std::path::Path;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};

use super::stage::Stage;

/// A restore of the latest backup with an identity, from a repository, without the configuration.
fn restore(stage: &Stage, repository: &Path, identity: &str, target: &str) -> Outcome<Run> {
    let mut command = account().command(binary());
    command.args(["restore", "--repository", &format!("file://{}", repository.display()), "--identity", identity]);
    Run::of(command.args(["--target-dir", &stage.text(target), "--to", "latest"]))
}

pub fn lost(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let (new, escrow, scratch) = (stage.text("new"), stage.text("escrow"), stage.text("scratch"));
    account().make_dir(&stage.path("scratch"))?;
    let variables = [("NEW", new.as_str()), ("ESCROW", &escrow), ("SCRATCH", &scratch)];
    let mut reader = stage.reader("runbooks/key-lost", &["CONFIG", "BIN"], &variables)?;
    fs::remove_file(stage.site.identity())?;
    let refused = stage.site.run(&["restore", "--target-dir", &stage.text("end"), "--to", "latest"])?.status_is(9)?;
    reader.recognises(&refused.report().replace('\n', " "), "the repository is encrypted and no identity was given");
    let started = stage.server.value("select pg_postmaster_start_time()")?;
    reader.steps(&["1", "2", "3", "4"])?;
    assert_eq!(stage.site.objects("/holds/")?.len(), 1, "the first backup with the new key is held");
    let said = reader.steps(&["5", "See that it worked"])?;
    for identity in [&new, &escrow] {
        let text = fs::read_to_string(identity)?;
        let recipient = text.split_whitespace().find(|word| word.starts_with("age1")).ok_or("no recipient")?;
        assert!(said.contains(recipient), "{said}");
    }
    reader.rest()?;
    reader.end(0)?;
    assert_eq!(stage.server.value("select pg_postmaster_start_time()")?, started, "PostgreSQL was restarted");
    assert_eq!(stage.site.objects("/backups/")?.len(), 2, "the old backup stays: its key may turn up");
    stage.insert()?;
    stage.server.archive_all()?;
    restore(&stage, &stage.site.repository(), &escrow, "end")?.ok()?;
    assert_eq!(stage.sum_of(&stage.path("end"))?, stage.sum()?);
    Ok(())
}

pub fn leaked(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let (new, escrow, scratch) = (stage.text("new"), stage.text("escrow"), stage.text("scratch"));
    let (old_place, new_place) = (stage.site.repository().display().to_string(), stage.text("repository-2"));
    account().make_dir(&stage.path("scratch"))?;
    let variables = [
        ("NEW", new.as_str()),
        ("ESCROW", &escrow),
        ("SCRATCH", &scratch),
        ("OLD_PLACE", &old_place),
        ("NEW_PLACE", &new_place),
    ];
    let reader = stage.reader("runbooks/key-leaked", &["CONFIG", "BIN"], &variables)?;
    let mut reader = reader.may_fail(" check");
    let said = stage.site.run_with_identity(&["check"])?.status_is(3)?.report();
    reader.recognises(&said, "it opens the backups, and it is on the database host");
    reader.steps(&["1", "2", "3", "4", "5"])?;
    assert!(stage.site.repository().exists(), "the old one goes only when the new one is proven");
    reader.rest()?;
    reader.end(0)?;
    assert!(!stage.site.repository().exists());
    stage.server.archive_all()?;
    let leaked = stage.site.identity().display().to_string();
    restore(&stage, &stage.path("repository-2"), &leaked, "closed")?.status_is(9)?;
    restore(&stage, &stage.path("repository-2"), &escrow, "end")?.ok()?;
    assert_eq!(stage.sum_of(&stage.path("end"))?, stage.sum()?);
    Ok(())
}
