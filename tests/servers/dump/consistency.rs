//! One moment for all of a database, whatever others do meanwhile; and no dump at all where that cannot be had.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{LARGE, Place, script};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};
use crate::support::wait::wait_for;

/// Money that moves between a large table and a small one is neither lost nor doubled.
pub fn consistent(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    script(&place.server, "postgres", "create table cash (amount bigint); insert into cash values (0)")?;
    let total = "select ((select sum(amount) from account) + (select sum(amount) from cash))::text";
    let before = place.server.value(total)?;
    let stop = AtomicBool::new(false);
    let moved = std::thread::scope(|scope| {
        let mover = scope.spawn(|| -> Outcome<u64> {
            let mut client = place.server.client()?;
            let mut moved = 0;
            while !stop.load(Ordering::Acquire) {
                // Ends of the table first: whoever reads it in two goes sees both.
                for id in [moved % 1000 + 1, 200_000 - moved % 1000] {
                    let step = format!(
                        "begin; update account set amount = amount - 1 where id = {id}; \
                         update cash set amount = amount + 1; commit"
                    );
                    client.batch_execute(&step)?;
                }
                moved += 1;
            }
            Ok(moved)
        });
        let dumped = (1..=2).try_for_each(|_| place.dump(&[], 0).map(drop));
        stop.store(true, Ordering::Release);
        let moved = mover.join().map_err(|_| "the mover panicked")?;
        dumped.and(moved)
    })?;
    assert!(moved > 10, "only {moved} moves");
    for (number, dump) in ["latest", "latest~1"].into_iter().enumerate() {
        let (bindir, connection, name) = (place.bindir(), place.server.connection(), format!("copy{number}"));
        let renamed = format!("postgres={name}");
        let words = ["dump", "restore", dump, "--into", &connection, "--bindir", &bindir, "--database", &renamed];
        place.site.run_with_identity(&words)?.ok()?;
        assert_eq!(place.server.sql_in(&name, total)?, [[before.clone()]]);
        assert_ne!(place.server.sql_in(&name, "select amount::text from cash")?, [["0"]]);
    }
    Ok(())
}

/// TRUNCATE minds no snapshot: one that waits for our lock must not empty what we have yet to read.
pub fn emptied(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    let mut holder = place.server.client()?;
    // So the dump waits, with its list of tables made, until somebody has emptied one.
    holder.batch_execute("begin; truncate account")?;
    std::thread::scope(|scope| -> Outcome {
        let dump = scope.spawn(|| place.dump(&[], 0));
        wait_for("the dump to wait", || {
            let waiting = "select count(*)::text from pg_locks where not granted";
            Ok((place.server.value(waiting)? != "0").then_some(()))
        })?;
        holder.batch_execute("insert into account values (1, 5, '')")?;
        holder.batch_execute("commit")?;
        dump.join().map_err(|_| "the dump panicked")??;
        Ok(())
    })?;
    place.restore(&place.server, &["--database", "postgres=copy"], 0)?;
    assert_eq!(place.server.sql_in("copy", "select count(*)::text, sum(amount)::text from account")?, [["1", "5"]]);
    Ok(())
}

/// A session that is ended: an error, and no dump.
pub fn fails(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    let text = std::fs::read_to_string(place.site.config())?;
    let text = text.replace("[encryption]", "[backup]\nmax_rate = \"8MiB\"\n[encryption]");
    account().write(&place.site.path("slow.toml"), text, 0o644)?;
    // The rows take a while, and their session is ended in the middle.
    std::thread::scope(|scope| -> Outcome {
        let slow = scope.spawn(|| {
            let bindir = place.bindir();
            let mut command = account().command(binary());
            command.arg("--config").arg(place.site.path("slow.toml")).args(["dump", "--bindir", &bindir]);
            Run::of(&mut command)
        });
        wait_for("rows on their way", || {
            let ended = "select count(pg_terminate_backend(pid))::text from pg_stat_activity \
                         where query like 'COPY %account%' and pid <> pg_backend_pid()";
            Ok((place.server.value(ended)? != "0").then_some(()))
        })?;
        let run = slow.join().map_err(|_| "the dump panicked")??;
        run.status_is(7)?.says(&["ended the session"])?;
        Ok(())
    })?;
    assert_eq!(place.dumps()?.len(), 0);
    // What it has left behind hurts no later one.
    place.dump(&[], 0)?;
    assert_eq!(place.dumps()?.len(), 1);
    Ok(())
}
