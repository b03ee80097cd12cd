//! Configuration outside of the data directory, as Debian keeps it: with the origin's own files the copy would
//! start the origin.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::account::account;
use crate::support::image::Image;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{PORT, Server, Shutdown};
use crate::support::site::Site;
use crate::support::wait::wait_for;
use crate::support::{Outcome, skip};

/// A server whose files lie elsewhere.
pub struct Elsewhere {
    pub server: Server,
    pub site: Site,
    pub etc: Scratch,
}

const FILES: [&str; 4] = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "conf.d/10-local.conf"];

impl Elsewhere {
    /// Started, archiving in segments of 1 MiB, without a backup.
    pub fn start(install: &'static Installation) -> Outcome<Elsewhere> {
        let builder = Server::builder(install).segment_mib(1).setting("archive_mode", "on");
        // pg_wal must hold what a slow machine has not archived yet.
        let mut server = builder.setting("wal_keep_size", "'32MB'").setting("max_wal_size", "'64MB'").create()?;
        let (site, etc) = (Site::new(&server)?, Scratch::new()?);
        let path = |name: &str| etc.join(name).display().to_string();
        server.append_setting("archive_command", &site.archive_command())?;
        server.append_setting("data_directory", &format!("'{}'", server.data().display()))?;
        server.append_setting("hba_file", &format!("'{}'", path("pg_hba.conf")))?;
        server.append_setting("ident_file", &format!("'{}'", path("pg_ident.conf")))?;
        server.append_setting("include_dir", "'conf.d'")?;
        account().make_dir(&etc.join("conf.d"))?;
        account().write(&etc.join("conf.d/10-local.conf"), "max_connections = 61\n", 0o644)?;
        for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
            let inside = server.data().join(name);
            account().write(&etc.join(name), fs::read(&inside)?, 0o640)?;
            fs::remove_file(inside)?;
        }
        server.override_setting("config_file", &path("postgresql.conf"));
        server.start()?;
        site.init()?;
        server.sql("create table t as select n, md5(n::text) as x from generate_series(1, 20000) n")?;
        Ok(Elsewhere { server, site, etc })
    }

    pub fn hba_file(&self) -> PathBuf {
        self.etc.join("pg_hba.conf")
    }
}

pub fn configuration_elsewhere(install: &'static Installation) -> Outcome {
    let origin = Elsewhere::start(install)?;
    let backup = origin.site.run(&["backup", "--json"])?.ok()?.result()?;
    let scratch = Scratch::new()?;
    let target = scratch.join("target");
    let directory = target.display().to_string();
    let id = backup["id"].as_str().unwrap_or_default();
    origin.site.run_with_identity(&["restore", "--backup", id, "--target-dir", &directory])?.ok()?;

    let restored = Image::of_directory(&target)?;
    for name in FILES {
        let captured = format!("pgcairn_config{}", origin.etc.join(name).display());
        assert!(restored.file(&captured) == Some(&fs::read(origin.etc.join(name))?), "{captured}");
    }
    assert!(restored.file("pgcairn_config/environment.json").is_some_and(|json| json.starts_with(b"{")));
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        let text = String::from_utf8_lossy(restored.file(name).ok_or(format!("no {name}"))?).into_owned();
        assert!(!text.contains(&origin.etc.path().display().to_string()), "{name} leads to the origin:\n{text}");
    }
    check_start(install, &origin, &target)
}

/// With nothing on its command line it runs on itself, reachable through its own socket alone, beside the origin.
fn check_start(install: &'static Installation, origin: &Elsewhere, target: &Path) -> Outcome {
    let copy = Server::adopt_bare(install, target, target)?;
    copy.launch()?;
    let lines = wait_for("the copy to be ready", || {
        if let Some(status) = copy.exited()? {
            return Err(format!("the copy ended with {status}\n{}", copy.log_tail()).into());
        }
        let file = fs::read_to_string(target.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = file.lines().map(|line| line.trim().to_owned()).collect();
        Ok((lines.get(7).is_some_and(|state| state == "ready" || state == "standby")).then_some(lines))
    })?;
    // `postmaster.pid`: process, data directory, start, port, socket directory, TCP address.
    let directory = target.display().to_string();
    assert_eq!(
        (&lines[1], &lines[3], &lines[4], &lines[5]),
        (&directory, &PORT.to_string(), &directory, &String::new())
    );
    assert_eq!(origin.server.value("select count(*) from t")?, "20000", "the origin still runs");
    if account().name == "postgres" {
        wait_for("recovery to pause", || {
            Ok((copy.psql("select pg_get_wal_replay_pause_state()")?.trim() == "paused").then_some(()))
        })?;
        let shown = copy.psql("select current_setting('data_directory'), current_setting('max_connections')")?;
        assert_eq!(shown.trim(), format!("{directory}|61"));
        assert_eq!(copy.psql("select count(*) from t")?.trim(), "20000");
        assert_eq!(copy.psql("show archive_mode")?.trim(), "off");
        copy.psql("select pg_wal_replay_resume()")?;
        wait_for("the end of recovery", || Ok((copy.psql("select pg_is_in_recovery()")?.trim() == "f").then_some(())))?;
    }
    copy.stop(Shutdown::Fast)?;
    match account().name.as_str() {
        "postgres" => Ok(()),
        name => skip(format!("only the user postgres gets into the copy, and this is {name}")),
    }
}
