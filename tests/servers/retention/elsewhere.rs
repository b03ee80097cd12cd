//! On a host that has no server: it expires, holds, and copies, and needs nothing but the configuration.

use std::fs;

use crate::several::place::Place;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};

pub fn elsewhere(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install, "required = false\n")?;
    place.site.configure("[retention]\nrecovery_window = \"7d\"\n")?;
    let id = place.backup()?;
    let text = fs::read_to_string(place.site.config())?;
    let (before, rest) = text.split_once("[postgres]").ok_or("it has a server")?;
    let rest = rest.split_once("\n[").ok_or("more follows")?.1;
    let config = place.site.path("elsewhere.toml");
    account().write(&config, format!("{before}[{rest}"), 0o600)?;
    let run = |words: &[&str]| {
        let mut command = account().command(binary());
        Run::of(command.arg("--config").arg(&config).args(words))
    };
    run(&["copy", "--all"])?.ok()?.says(&["offsite got 1 backup"])?;
    run(&["expire", "--dry-run"])?.ok()?.says(&[&id, "keep"])?;
    run(&["expire", "--repository", "offsite"])?.ok()?.says(&["dropped 0 backups"])?;
    run(&["hold", &id, "--reason", "case 7"])?.ok()?;
    run(&["release", &id])?.ok()?;
    run(&["undelete", &id])?.status_is(5)?;
    run(&["status"])?.ok()?.says(&["backups:"])?;
    // What needs the server still says so.
    run(&["backup"])?.status_is(2)?.says(&["has no [postgres] data_dir"]).map(drop)
}
