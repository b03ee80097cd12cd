//! A cluster of another major, or at least another one, takes the place of the old: by dump and restore, since the
//! packages of the tests have no pg_upgrade that fits both.

use std::path::Path;

use crate::support::account::account;
use crate::support::majors::{self, Installation};
use crate::support::server::{Server, Shutdown, run};
use crate::support::{Outcome, small};

use super::stage::{Stage, sum};

pub fn major(install: &'static Installation) -> Outcome {
    install.needs_own_clients()?;
    // The newest older one that is there, or none.
    let older = majors::KNOWN.iter().rev().filter(|major| **major < install.major);
    let before = older.flat_map(|major| majors::installed(&[*major])).next().unwrap_or(install);
    let stage = Stage::new(before)?;
    let expected = stage.sum()?;
    let (data, scratch) = (stage.path("new"), stage.text("scratch"));
    account().make_dir(&stage.path("scratch"))?;
    let (old_bin, new_data) = (before.bin().display().to_string(), data.display().to_string());
    let variables =
        [("OLD_BIN", old_bin.as_str()), ("NEW_DATA", &new_data), ("SERVICE", &new_data), ("SCRATCH", &scratch)];
    let reader = stage.reader_with("runbooks/major-upgrade", install, &["CONFIG", "KEY"], &variables)?;
    let mut reader = reader.may_fail(" check");
    reader.steps(&["1"])?;
    assert_eq!(stage.site.objects("/holds/")?.len(), 1);
    let new = upgrade(&stage, install, &data)?;
    let other = stage.site.run(&["backup"])?.status_in(1..=12)?;
    assert!(other.report().contains(&stage.server.data().display().to_string()), "{}", other.report());
    reader.steps(&["3", "4"])?;
    assert_eq!(stage.site.objects("/backups/")?.len(), 3);
    let said = reader.rest()?;
    reader.end(1)?;
    assert_eq!(said.matches("passed").count().min(2), 2, "{said}");
    assert_eq!(sum(&new)?, expected);
    small::backup(&stage.site).map(drop)
}

/// At the socket of the old one, which is stopped.
fn upgrade(stage: &Stage, install: &'static Installation, data: &Path) -> Outcome<Server> {
    let dump = stage.path("dump.sql");
    run(stage.server.program("pg_dumpall").arg("-f").arg(&dump))?;
    stage.server.stop(Shutdown::Fast)?;
    let mut initdb = account().command(install.program("initdb"));
    run(initdb.arg("-D").arg(data).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "-k",
    ]))?;
    let new = Server::adopt_bare(install, data, stage.server.socket_dir())?;
    for (name, value) in [
        ("listen_addresses", "''".to_owned()),
        ("unix_socket_directories", format!("'{}'", stage.server.socket_dir().display())),
        ("archive_mode", "on".to_owned()),
        ("archive_command", stage.site.archive_command()),
        ("fsync", "off".to_owned()),
    ] {
        new.append_setting(name, &value)?;
    }
    run(new.program("pg_ctl").arg("-D").arg(data).arg("-w").arg("-l").arg(stage.path("new.log")).arg("start"))?;
    run(new.program("psql").args(["-Xq", "-f"]).arg(&dump))?;
    Ok(new)
}
