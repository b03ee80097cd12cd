//! What must be true after a run, whatever befell it.

use std::fs;

use serde_json::Value;

use super::Trial;
use super::tree;
use super::work::Work;
use super::world::{Case, World, looks_whole};
use crate::support::Outcome;
use crate::support::site::Run;

/// A panic's, which is no answer.
const PANICKED: i32 = 101;
/// From here on a signal ended it, or it says that one did.
const SIGNALS: i32 = 128;

/// Names the configuration that was restored by.
const SETTINGS: &str = "postgresql.auto.conf";

/// Done, or a reason with a way on; and done for certain where asking again was enough.
pub fn clean(run: &Run, trial: Trial) -> Outcome {
    let work = trial.work;
    if run.status == work.success() {
        return Ok(());
    }
    let fetches = [Work::Fetch, Work::Miss].contains(&work);
    assert!(!fetches || run.status > 1, "a failure is no absence, and no delivery");
    assert!((1..SIGNALS).contains(&run.status) && run.status != PANICKED, "no clean end");
    assert!(!run.stderr.contains("panicked") && !run.stdout.contains("panicked"), "it panicked");
    // With --json the error is the last line of standard output.
    let said = format!("{}{}", run.stderr, run.stdout);
    assert!(said.contains("hint"), "no way on is told");
    assert!(!trial.kind.passes(), "asking again would have been enough");
    Ok(())
}

/// It was said that it was done.
pub fn succeeded(world: &World, case: &Case, run: &Run) -> Outcome {
    acknowledged(world, case)?;
    match case.work {
        Work::Backup => return backed_up(world, case, run),
        Work::Push => assert_eq!(world.fetched(case)?, world.segment_content),
        Work::Fetch => assert_eq!(fs::read(&case.target)?, world.segment_content),
        Work::Miss => assert!(!case.target.exists(), "something was delivered"),
        Work::Expire => assert_eq!(listed(world, case)?, [world.ids[2].clone()]),
        Work::Copy => assert_eq!(copied(world, case)?, world.ids[1..]),
        Work::Restore => return tree::holds(&case.target, &world.reference, |name| !name.ends_with(SETTINGS)),
    }
    Ok(())
}

/// It was said that it failed: what it leaves is not mistaken for a result.
pub fn failed(world: &World, case: &Case) -> Outcome {
    acknowledged(world, case)?;
    match case.work {
        Work::Backup => new_backups(world, case)?.iter().try_for_each(|id| restorable(world, case, id))?,
        Work::Fetch | Work::Miss => assert!(!case.target.exists(), "something was delivered"),
        Work::Copy => drop(copied(world, case)?),
        Work::Restore => assert!(!looks_whole(&case.target), "it looks restored"),
        Work::Push | Work::Expire => {}
    }
    Ok(())
}

/// What was there before is there: to the byte, or, where expiry was at work, as far as the policy promises.
fn acknowledged(world: &World, case: &Case) -> Outcome {
    let (now, before) = (world.repository(&case.name, "main"), world.untouched("main"));
    if case.work != Work::Expire {
        let stays = |name: &str| case.work != Work::Push || !world.is_segment(name);
        return tree::holds(&now, &before, stays);
    }
    let kept = &world.ids[2];
    tree::holds(&now, &before, |name| name.contains(kept.as_str()))?;
    planned(world, case, &["--to", "latest"])?;
    listed(world, case)?.iter().try_for_each(|id| planned(world, case, &["--backup", id]))
}

fn listed(world: &World, case: &Case) -> Outcome<Vec<String>> {
    let list = world.say(case, &["list", "--json"])?.ok()?.json()?;
    let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
    Ok(list["backups"].as_array().into_iter().flatten().map(id).collect())
}

/// The plan reads every record of WAL that is needed.
fn planned(world: &World, case: &Case, words: &[&str]) -> Outcome {
    let target = case.target.with_extension("planned").display().to_string();
    world.say(case, &[&["restore", "--plan", "--target-dir", &target], words].concat())?.ok().map(drop)
}

fn new_backups(world: &World, case: &Case) -> Outcome<Vec<String>> {
    let mut ids = listed(world, case)?;
    for id in &world.ids[1..] {
        assert!(ids.contains(id), "{id} is not listed any more: {ids:?}");
    }
    ids.retain(|id| !world.ids.contains(id));
    Ok(ids)
}

fn backed_up(world: &World, case: &Case, run: &Run) -> Outcome {
    let id = run.result()?["id"].as_str().unwrap_or_default().to_owned();
    assert!(new_backups(world, case)?.contains(&id), "{id} was acknowledged");
    restorable(world, case, &id)
}

/// Every file of it comes back, and its WAL is there.
fn restorable(world: &World, case: &Case, id: &str) -> Outcome {
    let place = case.target.with_extension(id);
    let target = place.display().to_string();
    world.say(case, &["restore", "--target-dir", &target, "--backup", id, "--action", "promote"])?.ok()?;
    assert!(looks_whole(&place));
    Ok(fs::remove_dir_all(place)?)
}

/// Backups with a commit marker in the other repository, all of which are whole.
fn copied(world: &World, case: &Case) -> Outcome<Vec<String>> {
    let (from, to) = (world.repository(&case.name, "main"), world.repository(&case.name, "other"));
    let ids = tree::committed(&to)?;
    for id in &ids {
        tree::holds(&to, &from, |name| name.contains(id.as_str()) && !name.contains("/holds/"))?;
        planned(world, case, &["--repository", "other", "--backup", id])?;
    }
    Ok(ids)
}
