//! A cluster that had four promotions behind it when pgcairn came: PostgreSQL archives their histories no more.

use std::fs;

use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;
use crate::support::{Outcome, account::account, ledger};
use crate::targets::copy::{planned, restore, writes_nothing};

const UNREACHABLE: i32 = 12;

pub fn on_five_already(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).setting("restore_command", "'false'").start()?;
    ledger::create(&server)?;
    for _ in 1..5 {
        ledger::commit(&server)?;
        server.stop(Shutdown::Fast)?;
        account().write(&server.data().join("recovery.signal"), "", 0o600)?;
        server.start()?;
        server.wait_promoted()?;
    }
    server.append_setting("archive_mode", "on")?;
    server.restart()?;
    let site = Site::new(&server)?;
    site.init()?;
    let histories: Vec<String> = (2..=5).map(|id| format!("{id:08X}.history")).collect();
    for history in &histories {
        site.object(history)?;
    }
    site.archive_from(&server)?;
    site.run(&["backup"])?.ok()?;
    ledger::commit(&server)?;
    let rows = ledger::rows(&server)?;
    server.sql("select pg_create_restore_point('on five')")?;
    ledger::commit(&server)?;
    server.archive_all()?;

    let copy = restore(&site, install, &["--to-name", "on five"])?;
    assert_eq!(copy.plan["timeline"], 5);
    copy.pause()?;
    assert_eq!(ledger::rows(&copy.server)?, rows);
    copy.resume()?;
    copy.server.sql("checkpoint")?;
    assert_eq!(copy.server.value("select timeline_id from pg_control_checkpoint()")?, "6");
    without_histories(&site, &histories)
}

/// Ancestors' histories are not needed, as the newest tells it all; the timeline's own is.
fn without_histories(site: &Site, histories: &[String]) -> Outcome {
    let site = site.fork()?;
    for history in &histories[..3] {
        fs::remove_file(site.object(history)?)?;
    }
    planned(&site, &["--to", "latest"])?;
    fs::remove_file(site.object(&histories[3])?)?;
    let refused = writes_nothing(&site, &["--to", "latest"])?;
    refused.status_is(UNREACHABLE)?.says(&["00000005.history is missing"]).map(drop)
}
