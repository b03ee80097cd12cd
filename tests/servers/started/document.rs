//! The commands of docs/restored-copy.md, executed in their order.

use crate::support::Outcome;
use crate::support::document::{commands, run_commands};
use crate::support::majors::Installation;
use crate::support::scratch::{self, Scratch};
use crate::support::server::Server;
use crate::support::site::{Site, binary};

use super::copy::wait_empty;

const DOCUMENT: &str = include_str!("../../../docs/restored-copy.md");

pub fn document(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table orders as select generate_series(1, 4711) as n")?;
    site.run(&["backup"])?.ok()?;
    server.sql("select pg_create_restore_point('before-deploy')")?;
    server.sql("truncate orders")?;
    server.archive_all()?;

    let place = Scratch::new()?;
    let restored = place.join("r");
    let here = |block: &str| {
        let block = block.replace("/srv/restored", &restored.display().to_string());
        block.replace("/usr/lib/postgresql/18/bin", &install.bin().display().to_string())
    };
    let blocks: Vec<String> = commands(DOCUMENT).into_iter().map(here).collect();
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let path = format!("{}:{}:/usr/bin:/bin", scratch::root().display(), install.bin().display());
    let (config, identity) = (site.config().display().to_string(), site.identity().display().to_string());
    binary();
    let environment = [("PATH", path.as_str()), ("PGCAIRN_CONFIG", &config), ("PGCAIRN_IDENTITY", &identity)];
    let said = run_commands(&blocks, place.path(), &environment)?;
    assert!(said.contains("4711") && said.contains("server started"), "{said}");
    assert!(std::fs::read_to_string(place.join("orders.sql"))?.contains("\n4711\n"), "the table was not taken out");
    wait_empty(&restored)?;
    assert!(!restored.exists());
    Ok(())
}
