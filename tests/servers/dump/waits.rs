//! Others who have locks, or want them.

use rustix::process::Signal;

use super::{LARGE, Place, script};
use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::process::signal;
use crate::support::server::Server;
use crate::support::wait::wait_for;

/// Somebody waits for a lock, and has not got it.
fn waiting(server: &Server, what: &str) -> Outcome {
    wait_for(what, || Ok((server.value("select count(*)::text from pg_locks where not granted")? != "0").then_some(())))
}

/// Whatever is waited for, and by whom: not longer than was said, and not when a signal comes.
pub fn waits(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", "create table t as select 1 as a")?;
    let mut holder = place.server.client()?;
    // The second is read by pg_dumpall alone.
    let all = [("t", "by somebody else"), ("pg_parameter_acl", "pg_dumpall failed")];
    for (table, who) in all.into_iter().filter(|(table, _)| *table == "t" || install.major >= 15) {
        holder.batch_execute(&format!("begin; lock table {table} in access exclusive mode"))?;
        place.dump(&["--lock-timeout", "200ms"], 1)?.says(&[who])?;
        let bindir = place.bindir();
        let mut child = place.site.command(&["dump", "--bindir", &bindir, "--lock-timeout", "1h"]).spawn()?;
        waiting(&place.server, "the dump to wait")?;
        signal(child.id().cast_signed(), Signal::TERM);
        let ended = wait_for("the dump to end", || Ok(child.try_wait()?));
        if ended.is_err() {
            child.kill()?;
        }
        assert_eq!(ended?.code(), Some(130), "{table}");
        wait_for("nobody to wait", || {
            Ok((place.server.value("select count(*)::text from pg_locks where not granted")? == "0").then_some(()))
        })?;
        holder.batch_execute("commit")?;
    }
    assert_eq!(place.dumps()?.len(), 0);
    Ok(())
}

/// Who has asked for a table after our lock and before that of the sessions which read it makes the dump fail, and does
/// not wait for it.
pub fn overtaken(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    script(server, "postgres", LARGE)?;
    script(server, "postgres", "create table zeta (a int)")?;
    let mut holder = server.client()?;
    // Locked in the order of their names: account is ours while zeta is waited for.
    holder.batch_execute("begin; lock table zeta in access exclusive mode")?;
    std::thread::scope(|scope| -> Outcome {
        let dump = scope.spawn(|| place.dump(&["--lock-timeout", "20s", "--json"], 1));
        waiting(server, "the dump to wait")?;
        let altered =
            scope.spawn(|| -> Outcome { Ok(server.client()?.batch_execute("alter table account add b int")?) });
        wait_for("the ALTER TABLE to wait", || {
            let both = "select count(*)::text from pg_locks where not granted";
            Ok((server.value(both)? == "2").then_some(()))
        })?;
        holder.batch_execute("commit")?;
        let run = dump.join().map_err(|_| "the dump panicked")??;
        let mut document = Document::new();
        document.compare("dump: somebody waits to lock a table", &place.site, run)?;
        document.end()?;
        altered.join().map_err(|_| "the ALTER TABLE panicked")?
    })?;
    assert_eq!(place.dumps()?.len(), 0);
    place.dump(&[], 0)?;
    Ok(())
}
