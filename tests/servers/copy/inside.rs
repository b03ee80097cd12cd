//! A tablespace within the data directory, which PostgreSQL warns of and makes: it moves along with the directory.

use std::fs;
use std::path::Path;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::site::{Run, Site};

const PLACE: &str = "spaces/one";

pub fn tablespace_in_the_data_directory(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    account().make_dir(&server.data().join("spaces"))?;
    account().make_dir(&server.data().join(PLACE))?;
    server.sql(&format!("create tablespace one location '{}'", server.data().join(PLACE).display()))?;
    server.sql("create table t tablespace one as select generate_series(1, 1000) as n")?;
    site.run(&["backup"])?.ok()?;

    let target = site.path("target");
    let plan = restore(&site, &target, &["--plan"])?;
    // The backup goes by its id, which begins with its date: `latest` is another one day.
    plan.ok()?.says(&[&format!("{PLACE} -> {}", target.join(PLACE).display()), "--backup 20"])?;
    restore(&site, &target, &[])?.ok()?;
    check(install, &target, &target.join(PLACE))?;

    let (mapped, elsewhere) = (site.path("mapped"), site.path("elsewhere"));
    let mapping = format!("{}={}", server.data().join(PLACE).display(), elsewhere.display());
    restore(&site, &mapped, &["--tablespace", &mapping])?.ok()?;
    check(install, &mapped, &elsewhere)?;

    // Its own place.
    server.stop(Shutdown::Fast)?;
    fs::rename(server.data(), site.path("lost"))?;
    restore(&site, server.data(), &[])?.ok()?;
    check(install, server.data(), &server.data().join(PLACE))
}

fn restore(site: &Site, target: &Path, more: &[&str]) -> Outcome<Run> {
    let target = target.display().to_string();
    site.run_with_identity(&[&["restore", "--backup", "latest", "--target-dir", &target], more].concat())
}

fn check(install: &'static Installation, target: &Path, location: &Path) -> Outcome {
    let restored = Server::adopt(install, target)?;
    restored.start()?;
    restored.wait_paused()?;
    assert_eq!(restored.value("select count(*) from t")?, "1000");
    let told = "select pg_tablespace_location(oid) from pg_tablespace where spcname = 'one'";
    assert_eq!(restored.value(told)?, location.display().to_string());
    restored.stop(Shutdown::Fast)
}
