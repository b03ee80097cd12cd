//! A restored and promoted cluster is backed up like any other, and what its restore left in it is no part of it.

use std::fs;

use super::elsewhere::Elsewhere;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::image::Image;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};

pub fn restored_and_backed_up_again(install: &'static Installation) -> Outcome {
    let mut origin = Elsewhere::start(install)?;
    origin.site.run(&["backup"])?.ok()?;
    origin.server.sql("insert into t select n, 'after the backup' from generate_series(20001, 20100) n")?;
    origin.server.archive_all()?;
    let scratch = Scratch::new()?;
    let (first, second) = (scratch.join("first"), scratch.join("second"));
    restore(&origin, &first.display().to_string())?;
    origin.server.stop(Shutdown::Fast)?;

    let promoted = revive(install, &mut origin, &first)?;
    let backup = origin.site.run(&["backup", "--json"])?.ok()?.result()?;
    let image = Image::assemble(&origin.site, backup["id"].as_str().unwrap_or_default())?;
    for name in ["pgcairn_wal", "pgcairn_restore.json"] {
        assert!(!image.nodes.contains_key(name.as_bytes()), "{name} is in the second backup");
    }
    let hba = format!("pgcairn_config{}", origin.hba_file().display());
    assert!(image.file(&hba).is_some(), "what lies outside now is captured");
    let old = format!("pgcairn_config{}", origin.etc.join("conf.d/10-local.conf").display());
    assert!(image.file(&old).is_none(), "what the origin had is not");

    promoted.sql("insert into t select n, 'after the second backup' from generate_series(20101, 20150) n")?;
    promoted.archive_all()?;
    let expected = promoted.psql("select count(*), sum(hashtext(t::text)) from t")?;
    restore(&origin, &second.display().to_string())?;
    promoted.stop(Shutdown::Fast)?;
    let mut restored = Server::adopt(install, &second)?;
    restored.override_setting("hba_file", &origin.hba_file().display().to_string());
    restored.start()?;
    restored.wait_promoted()?;
    assert_eq!(restored.psql("select count(*), sum(hashtext(t::text)) from t")?, expected);
    restored.amcheck()?;
    restored.stop(Shutdown::Fast)?;
    restored.verify_checksums()
}

fn restore(origin: &Elsewhere, directory: &str) -> Outcome {
    origin.site.run_with_identity(&["restore", "--to", "latest", "--target-dir", directory])?.ok().map(drop)
}

/// The restored directory becomes the cluster of the configuration: it archives, on a timeline of its own. A mark of
/// its restore is left in it, as by a kill at the very end.
fn revive(install: &'static Installation, origin: &mut Elsewhere, data: &std::path::Path) -> Outcome<Server> {
    account().write(&data.join("pgcairn_restore.json"), "{}", 0o600)?;
    let mut promoted = Server::adopt(install, data)?;
    for (name, value) in [("hba_file", origin.hba_file().display().to_string()), ("archive_mode", "on".to_owned())] {
        promoted.override_setting(name, &value);
    }
    let command = origin.site.archive_command();
    promoted.override_setting("archive_command", command.trim_matches('\''));
    promoted.start()?;
    promoted.wait_promoted()?;
    assert_eq!(promoted.value("select count(*) from t")?, "20100");
    assert!(fs::read_dir(data.join("pgcairn_wal"))?.count() > 1, "the first restore laid WAL there");
    origin.site.point_at(&promoted)?;
    Ok(promoted)
}
