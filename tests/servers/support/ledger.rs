//! A ledger of transactions, and what became of them in WAL order: the proof that a recovery stopped exactly
//! where it was told to. The order comes from pg_walinspect of the origin, not from pgcairn's own reader.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;

use super::Outcome;
use super::history::Rows;
use super::server::Server;
use super::sql::{one, query};

/// Makes the table on a running server.
pub fn create(server: &Server) -> Outcome {
    server.sql(
        "create table ledger (id bigserial primary key, xid bigint not null default (pg_current_xact_id()::text)::bigint)",
    )?;
    // 14 has no such extension.
    if server.install.major < 15 {
        return Ok(());
    }
    server.sql("create extension if not exists pg_walinspect").map(drop)
}

/// One committed transaction; its xid.
pub fn commit(server: &Server) -> Outcome<u32> {
    Ok(server.value("insert into ledger default values returning xid")?.parse()?)
}

/// One aborted transaction; its xid. Its abort record reaches the disk with the next commit.
pub fn abort(server: &Server) -> Outcome<u32> {
    let mut client = server.client()?;
    let xid = begin(&mut client)?;
    query(&mut client, "rollback")?;
    Ok(xid)
}

/// One prepared transaction, left open under the name; its xid.
pub fn prepare(server: &Server, name: &str) -> Outcome<u32> {
    let mut client = server.client()?;
    let xid = begin(&mut client)?;
    query(&mut client, &format!("prepare transaction '{name}'"))?;
    Ok(xid)
}

fn begin(client: &mut Client) -> Outcome<u32> {
    let text = "begin; insert into ledger default values returning xid";
    Ok(one(query(client, text)?, text)?.parse()?)
}

/// Rows per transaction that are visible now.
pub fn rows(server: &Server) -> Outcome<Rows> {
    let counted = server.sql("select xid, count(*) from ledger group by xid")?;
    counted.iter().map(|row| Ok((row[0].parse()?, row[1].parse()?))).collect::<Outcome<BTreeMap<u32, u32>>>()
}

/// Transactions of all kinds from several sessions at once, for a while: committed, aborted, prepared and then
/// committed or aborted, with savepoints, of one row and of several.
pub fn churn(server: &Server, sessions: usize, duration: Duration) -> Outcome {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let workers: Vec<_> = (0..sessions).map(|n| scope.spawn(move || session(server, n, over))).collect();
        thread::sleep(duration);
        over.store(true, Ordering::Relaxed);
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err("a session panicked".into())))
    })
}

fn session(server: &Server, number: usize, over: &AtomicBool) -> Outcome {
    const INSERT: &str = "insert into ledger default values";
    let mut client = server.client()?;
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("churn-{number}-{round}");
        let text = match round % 8 {
            0 => format!("begin; {INSERT}; {INSERT}; savepoint s; {INSERT}; rollback to s; {INSERT}; commit"),
            1 => format!("begin; {INSERT}; savepoint s; {INSERT}; release s; commit"),
            2 => format!("begin; {INSERT}; rollback"),
            3 => format!("begin; {INSERT}; prepare transaction '{name}'; {INSERT}; commit prepared '{name}'"),
            4 => format!("begin; {INSERT}; prepare transaction '{name}'; {INSERT}; rollback prepared '{name}'"),
            _ => INSERT.to_owned(),
        };
        // Statement by statement: several in one message would be one transaction.
        for statement in text.split("; ") {
            query(&mut client, statement)?;
        }
    }
    Ok(())
}
