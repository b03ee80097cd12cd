//! PostgreSQL itself, with `wal fetch` as its restore_command: it refuses to open a truncated database where
//! the archive is broken, and ends recovery where the archive truly ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::primary::{Copy, Primary, primary};
use crate::support::majors::Installation;
use crate::support::site::Site;
use crate::support::wait::wait_for;
use crate::support::{Outcome, damage};

const FETCH: &str = "wal fetch %f %p";
/// The damaged one of the segments: neither the first nor the last.
const MIDDLE: usize = 3;

impl Copy {
    fn restore_with(&mut self, command: &str) {
        self.server.override_setting("restore_command", command);
    }
}

/// What can be wrong, by name; the change of the site, and the restore_command if it is another.
type Damage = (&'static str, fn(&Primary, &Site) -> Outcome, &'static str);

const DAMAGES: &[Damage] = &[
    ("flipped in the header", |p, s| flip(p, s, |_| 100), FETCH),
    ("flipped in the body", |p, s| flip(p, s, |length| length / 2), FETCH),
    ("flipped in the tail", |p, s| flip(p, s, |length| length - 1), FETCH),
    ("truncated", |p, s| cut(p, s), FETCH),
    ("empty", |p, s| damage::truncate(&s.object(&p.segments[MIDDLE])?, 0), FETCH),
    ("swapped", |p, s| damage::swap(&s.object(&p.segments[MIDDLE])?, &s.object(&p.segments[MIDDLE + 1])?), FETCH),
    ("removed", |p, s| Ok(fs::remove_file(s.object(&p.segments[MIDDLE])?)?), FETCH),
    ("wrong key", |_, s| damage::replace(&s.identity(), fs::read(Site::stranger(s)?)?.as_slice()), FETCH),
    ("no marker", |_, s| Ok(fs::remove_file(s.repository().join("pgcairn.json"))?), FETCH),
    ("unmounted", |_, s| Ok(fs::rename(s.repository(), s.path("elsewhere"))?), FETCH),
    ("closed configuration", |_, s| Ok(fs::set_permissions(s.config(), fs::Permissions::from_mode(0o000))?), FETCH),
    ("another cluster's name", |_, _| Ok(()), "wal fetch --cluster other %f %p"),
    ("usage error", |_, _| Ok(()), "wal fetch --bogus %f %p"),
    ("misspelt", |_, _| Ok(()), "wal fech %f %p"),
];

fn flip(primary: &Primary, site: &Site, at: fn(usize) -> usize) -> Outcome {
    let object = site.object(&primary.segments[MIDDLE])?;
    damage::flip_bit(&object, at(fs::read(&object)?.len()))
}

fn cut(primary: &Primary, site: &Site) -> Outcome {
    let object = site.object(&primary.segments[MIDDLE])?;
    damage::truncate(&object, fs::read(&object)?.len() / 2)
}

impl Site {
    /// An identity that nothing was encrypted to.
    fn stranger(site: &Site) -> Outcome<std::path::PathBuf> {
        let file = site.path("stranger");
        site.run(&["key", "generate", "--output", &file.display().to_string()])?.ok()?;
        Ok(file)
    }
}

fn refuses(primary: &Primary, copy: &mut Copy, (what, change, words): &Damage) -> Outcome {
    let site = primary.site.fork()?;
    change(primary, &site)?;
    copy.restore_with(&site.fetch_command(words));
    copy.refuses_to_open(what).map(drop)
}

pub fn of_a_base_backup(install: &'static Installation) -> Outcome {
    let primary = primary(install)?;
    let mut copy = primary.copy("recovery.signal")?;
    for damage in DAMAGES {
        refuses(&primary, &mut copy, damage)?;
    }
    copy.restore_with(&primary.site.fetch_command(FETCH));
    assert_eq!(copy.opens()?, primary.rows);
    Ok(())
}

/// With its own WAL beside it, and straight from the repository.
pub fn of_a_restore(install: &'static Installation) -> Outcome {
    let primary = primary(install)?;
    let mut copy = primary.restored()?;
    let wal = copy.server.data().join("pgcairn_wal");
    for name in [primary.segments[MIDDLE].as_str(), "index.json"] {
        let whole = fs::read(wal.join(name))?;
        damage::flip_bit(&wal.join(name), 0)?;
        copy.refuses_to_open(name)?;
        damage::truncate(&wal.join(name), whole.len() / 2)?;
        copy.refuses_to_open(name)?;
        fs::rename(wal.join(name), wal.join("away"))?;
        copy.refuses_to_open(name)?;
        fs::rename(wal.join("away"), wal.join(name))?;
        damage::replace(&wal.join(name), &whole)?;
    }
    let repeated = ["flipped in the body", "removed", "no marker"];
    for damage in DAMAGES.iter().filter(|(what, ..)| repeated.contains(what)) {
        refuses(&primary, &mut copy, damage)?;
    }
    copy.restore_with(&primary.site.fetch_command(FETCH));
    assert_eq!(copy.opens()?, primary.rows);
    let own = primary.restored()?;
    assert_eq!(own.opens()?, primary.rows);
    Ok(())
}

/// With `--standby` the server stays in recovery whatever happens to the archive, and goes on when it is
/// whole again.
pub fn standby_keeps_asking(install: &'static Installation) -> Outcome {
    let primary = primary(install)?;
    let mut copy = primary.copy("standby.signal")?;
    let site = primary.site.fork()?;
    let object = site.object(&primary.segments[MIDDLE])?;
    let whole = fs::read(&object)?;
    damage::flip_bit(&object, whole.len() / 2)?;
    copy.restore_with(&site.fetch_command("wal fetch --standby %f %p"));
    copy.server.override_setting("wal_retrieve_retry_interval", "100ms");
    copy.server.start()?;
    let server = &copy.server;
    let asked = |text: &str, times: usize| {
        wait_for(&format!("{times} times {text}"), || Ok((server.log().matches(text).count() >= times).then_some(())))
            .map_err(|_| server.log_tail())
    };
    asked("is damaged", 3).or_else(|_| asked("error:", 3))?;
    let marker = site.repository().join("pgcairn.json");
    fs::rename(&marker, site.path("marker"))?;
    asked("pgcairn.json is missing", 3)?;
    assert!(server.in_recovery()?);
    assert!(super::primary::count(server)? < primary.rows);

    fs::rename(site.path("marker"), &marker)?;
    damage::replace(&object, &whole)?;
    wait_for("the standby to catch up", || Ok((super::primary::count(server)? == primary.rows).then_some(())))?;
    assert!(server.in_recovery()?);
    Ok(())
}
