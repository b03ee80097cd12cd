//! The judge is judged first: PostgreSQL's own tools (pg_basebackup, cp) recover to targets of every kind, and
//! the history that later scenarios hold pgcairn against must agree with where PostgreSQL really stopped.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::support::history::{History, Position, Target};
use super::support::majors::Installation;
use super::support::scratch::Scratch;
use super::support::server::{Server, run};
use super::support::{Outcome, Scenario, account, ledger, skip, time};

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "oracle::agrees_with_postgresql", run: agrees_with_postgresql }]
}

fn agrees_with_postgresql(install: &'static Installation) -> Outcome {
    if install.major < 15 {
        return skip("pg_walinspect exists since 15");
    }
    let room = Scratch::new()?;
    account::account().make_dir(&room.join("archive"))?;
    let archive = room.join("archive");
    let copy = format!("'cp %p {}/%f'", archive.display());
    let origin = Server::builder(install).setting("archive_mode", "on").setting("archive_command", &copy).start()?;
    let from = Position::parse(&origin.lsn()?)?;
    ledger::create(&origin)?;
    let base = room.join("base");
    run(origin.program("pg_basebackup").args(["-c", "fast", "-X", "none", "-D"]).arg(&base))?;

    ledger::churn(&origin, 4, Duration::from_millis(400))?;
    origin.sql("select pg_create_restore_point('half')")?;
    ledger::churn(&origin, 4, Duration::from_millis(400))?;
    let history = History::capture(&origin, from)?;
    origin.archive_all()?;

    for (number, (target, inclusive)) in targets(&history).into_iter().enumerate() {
        let data = room.join(&format!("restored-{number}"));
        run(account::account().command("/bin/cp").arg("-a").arg(&base).arg(&data))?;
        let restored = recover(install, data, &archive, &target, inclusive)?;
        history.verify(&origin, &restored, &target, inclusive)?;
    }
    Ok(())
}

/// Every kind around one record in the middle: a commit, and a place inside the record after it.
fn targets(history: &History) -> Vec<(Target, bool)> {
    let record = &history.records[history.records.len() * 2 / 3];
    let inside = Position(record.start.0 + 8);
    vec![
        (Target::Xid(record.xid), true),
        (Target::Xid(record.xid), false),
        (Target::Time(record.time), true),
        (Target::Time(record.time), false),
        (Target::Lsn(record.start), true),
        (Target::Lsn(record.start), false),
        (Target::Lsn(inside), true),
        (Target::Name("half".to_owned()), true),
    ]
}

fn recover(
    install: &'static Installation,
    data: PathBuf,
    archive: &std::path::Path,
    target: &Target,
    inclusive: bool,
) -> Outcome<Server> {
    let setting = match target {
        Target::Time(micros) => format!("recovery_target_time = '{}'", time::utc(*micros)),
        Target::Lsn(lsn) => format!("recovery_target_lsn = '{lsn}'"),
        Target::Xid(xid) => format!("recovery_target_xid = '{xid}'"),
        Target::Name(name) => format!("recovery_target_name = '{name}'"),
        Target::Immediate(_) | Target::Latest => String::new(),
    };
    let signal = data.join("recovery.signal");
    account::account().write(&signal, "", 0o600)?;
    let conf = data.join("postgresql.conf");
    let text = fs::read_to_string(&conf)?;
    let command = format!("restore_command = 'cp {}/%f %p'", archive.display());
    let text = format!("{text}\n{command}\n{setting}\nrecovery_target_inclusive = {inclusive}\n");
    account::account().write(&conf, text, 0o600)?;
    let server = Server::adopt(install, &data)?;
    server.launch()?;
    server.wait_paused()?;
    Ok(server)
}
