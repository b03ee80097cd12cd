//! An archive that nothing comes into though nothing complains, and one that a recovery does not get through.

use std::collections::BTreeSet;
use std::fs;

use super::reasons::{becomes, is, reasons};
use crate::several::place::{Place, objects};
use crate::support::majors::Installation;
use crate::support::{Outcome, damage, marker};

const SOON: &str = "[status]\nwal_warning = \"1s\"\n";
const LATE: &str = "[status]\nwal_critical = \"1s\"\n";
const UNDONE: [&str; 3] = ["warning drill-never local", "warning key-never-checked", "warning sheet-never-made"];

fn is_besides(place: &Place, lines: &str, wanted: &[&str]) -> Outcome {
    is(place, lines, &[wanted, &UNDONE[..]].concat())
}

fn names(found: &BTreeSet<String>, name: &str) -> bool {
    found.iter().any(|reason| reason.contains(name))
}

/// An archive_command that says yes and does nothing.
pub fn swallowed(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    place.server.archive_all()?;
    is_besides(&place, SOON, &[])?;
    place.server.append_setting("archive_command", "'true'")?;
    place.server.reload()?;
    for _ in 0..2 {
        place.server.sql("insert into t values (1001)")?;
        place.server.archive_all()?;
    }
    place.server.sql("insert into t values (1002)")?;
    becomes(&place, SOON, "warning wal-missing local")?;
    becomes(&place, LATE, "critical wal-missing local")?;
    is_besides(&place, "", &[])?;

    // What comes now does not fill the hole.
    place.site.archive_from(&place.server)?;
    place.server.archive_all()?;
    becomes(&place, LATE, "critical hole-after-backup local")?;
    place.backup()?;
    place.server.archive_all()?;
    let found = reasons(&place, LATE)?;
    let gone = ["wal-missing", "hole-after-backup"].iter().all(|name| !names(&found, name));
    assert!(gone && names(&found, "hole-in-wal"), "{found:?}");

    place.server.append_setting("archive_mode", "off")?;
    place.server.restart()?;
    is_besides(&place, "", &["critical archiving-off", "warning hole-in-wal local"])
}

/// Times and descents that say nothing.
pub fn misled(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "required = false\n")?;
    place.backup()?;
    place.server.archive_all()?;
    is_besides(&place, "", &[])?;
    // A host whose clock was ahead.
    let local = place.site.repository();
    let first = objects(&local, "/backups/")?.remove(0);
    let sound = fs::read(&first)?;
    place.backup()?;
    place.server.archive_all()?;
    let ahead = jiff::SignedDuration::from_hours(24 * 400);
    marker::edit(&place.site, &first, |summary| summary.stopped += ahead)?;
    becomes(&place, "[status]\nbackup = \"1s\"\n", "critical backup-old")?;
    damage::replace(&first, &sound)?;

    let descent = first.parent().and_then(|path| path.parent()).ok_or("it has")?.join("wal/00000002.timeline.json");
    fs::write(&descent, "{}")?;
    is_besides(&place, "", &["warning timelines-unreadable local"])?;
    fs::remove_file(&descent)?;
    is_besides(&place, "", &[])
}
