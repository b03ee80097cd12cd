//! One restored copy steps through ascending targets: for each the plan is asked, its recovery settings are
//! given to the copy, and the copy is started again. It must stop where the plan says, with the ledger that
//! the history says.

use std::collections::BTreeMap;

use crate::support::history::{Position, Record, Target};
use crate::support::majors::Installation;
use crate::support::server::Shutdown;
use crate::support::{Outcome, full_length};

use super::copy::restore;
use super::origin::{Origin, origin};

/// Of each kind and side.
fn number() -> usize {
    if full_length() { 20 } else { 8 }
}

/// Kind, and whether the target itself is reached. A name is always reached.
const KINDS: [(&str, bool); 7] =
    [("time", true), ("time", false), ("lsn", true), ("lsn", false), ("xid", true), ("xid", false), ("name", true)];

#[derive(Debug)]
struct Step {
    target: Target,
    inclusive: bool,
    end: Position,
}

pub fn ascending(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    let oldest = &origin.backups[0];
    let copy = restore(&origin.site, install, &["--backup", &oldest.id, "--to", "latest"])?;
    let mut older = 0;
    for step in steps(&origin)? {
        let Step { target, inclusive, end } = &step;
        let plan = origin.plan(target, *inclusive)?;
        older += usize::from(chooses_the_newest_that_fits(&origin, &plan, &step)?);
        origin.check_last_commit(&plan, target, *inclusive)?;
        copy.retarget(&plan)?;
        copy.server.launch()?;
        copy.server.wait_paused().map_err(|stop| format!("{step:?} {end}: {stop:?}"))?;
        copy.stops_as_planned(&plan)?;
        origin.history.verify(&origin.server, &copy.server, target, *inclusive)?;
        copy.server.stop(Shutdown::Fast)?;
    }
    assert!(older > 0, "no target lies between the backups");
    Ok(())
}

/// Whether the older backup is chosen, where the newer one does not begin before the target.
fn chooses_the_newest_that_fits(origin: &Origin, plan: &serde_json::Value, step: &Step) -> Outcome<bool> {
    let chosen = origin.backup(plan["backup"].as_str().unwrap_or_default())?;
    let newest = &origin.backups[1];
    assert!(chosen.stop <= step.end, "{step:?}: {plan}");
    // A time between the stop of a backup and the next commit is taken for the older one.
    if step.end >= newest.stop && !matches!(step.target, Target::Time(_)) {
        assert_eq!(chosen.id, newest.id, "{step:?}: {plan}");
    }
    Ok(chosen.id != newest.id)
}

/// Every kind and side, in the order in which recovery comes to them.
fn steps(origin: &Origin) -> Outcome<Vec<Step>> {
    let consistent = origin.backups[0].stop;
    let last = origin.history.records.iter().map(|r| r.time).max().unwrap_or_default();
    let mut steps = Vec::new();
    for inclusive in [true, false] {
        let mut targets = Vec::new();
        let records = spread(origin, number());
        targets.extend(records.iter().map(|r| Target::Xid(r.xid)));
        // At the start of a record, and inside of it.
        targets.extend(records.iter().enumerate().map(|(n, r)| Target::Lsn(Position(r.start.0 + 8 * (n as u64 % 2)))));
        // A microsecond before, at, and after an end of a transaction.
        let times = records.iter().zip([0, -1, 1].into_iter().cycle()).map(|(r, beside)| r.time + beside);
        targets.extend(times.chain([origin.equal_time]).filter(|time| *time < last).map(Target::Time));
        for target in targets {
            let Some(end) = origin.history.end(&origin.server, &target, inclusive)? else { continue };
            steps.push(Step { target, inclusive, end });
        }
    }
    for name in &origin.names {
        let target = Target::Name(name.clone());
        let end = origin.history.end(&origin.server, &target, true)?.ok_or("a name has a place")?;
        steps.push(Step { target, inclusive: true, end });
    }
    steps.retain(|step| step.end > consistent);
    steps.sort_by_key(|step| step.end);
    enough_of_each_kind(&steps)?;
    Ok(steps)
}

/// However the history went, no kind of target may quietly be left out.
fn enough_of_each_kind(steps: &[Step]) -> Outcome {
    let mut numbers: BTreeMap<_, usize> = BTreeMap::new();
    for Step { target, inclusive, .. } in steps {
        let kind = match target {
            Target::Time(_) => "time",
            Target::Lsn(_) => "lsn",
            Target::Xid(_) => "xid",
            Target::Name(_) => "name",
            Target::Immediate(_) | Target::Latest => continue,
        };
        *numbers.entry((kind, *inclusive)).or_default() += 1;
    }
    for kind in KINDS {
        let found = numbers.get(&kind).copied().unwrap_or(0);
        if found < number() {
            return Err(format!("{found} targets of {kind:?}, and {} are asked for", number()).into());
        }
    }
    Ok(())
}

/// Ends of transactions of all kinds, evenly over all WAL since the oldest backup: commits, aborts, and as many
/// ends of prepared ones.
fn spread<'o>(origin: &'o Origin, number: usize) -> Vec<&'o Record> {
    let consistent = origin.backups[0].stop;
    let mut kinds: BTreeMap<_, Vec<&Record>> = BTreeMap::new();
    let later = |record: &&Record| record.start > consistent;
    // The last ones cannot be times: nothing later proves them.
    let records: Vec<_> = origin.history.records.iter().filter(later).collect();
    for record in &records[..records.len() - records.len() / 20 - 1] {
        kinds.entry((record.committed, record.prepared)).or_default().push(record);
    }
    assert_eq!(kinds.len(), 4, "commits and aborts, prepared or not");
    let share = number.div_ceil(kinds.len());
    let even = |kind: &[&'o Record], n| kind[n * kind.len() / share];
    let chosen = kinds.values().flat_map(|kind| (0..share).map(move |n| even(kind, n)));
    let mut chosen: Vec<_> = chosen.collect();
    chosen.sort_by_key(|record| record.start);
    chosen
}
