//! Scenarios on real PostgreSQL servers, each run on every major that is asked for and installed.
//!
//! `PGCAIRN_TEST_MAJORS="15 18"` (the default) or `none`; `PGCAIRN_TEST_LENGTH=full` lengthens scenarios;
//! `PGCAIRN_TEST_KEEP=1` keeps the scratch directories; `PGCAIRN_TEST_SEED` repeats what `sweep` chose;
//! `PGCAIRN_TEST_WITHOUT_MOTO=1` does without moto. One trial alone, on one major:
//! `cargo test --test servers -- pg18::smoke`.

mod archive;
mod by_hand;
mod compose;
mod copy;
mod damage_matrix;
mod data_directory;
mod demo;
mod drill;
mod dump;
mod faults;
mod frozen;
mod hostile;
mod month;
mod notify;
mod oracle;
mod readme;
mod recovery_sheet;
mod refusals;
mod retention;
mod runbooks;
mod s3;
mod session;
mod several;
mod signed;
mod smoke;
mod soak;
mod started;
mod status;
mod support;
mod sweep;
mod systemd;
mod table;
mod targets;
mod timelines;
mod verify;
mod wal_records;
mod wal_targets;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use support::majors::{self, Installation};
use support::{Scenario, Stop, scratch, shared, summary};

/// Exit status after a signal, as a shell reports SIGINT.
const INTERRUPTED: i32 = 130;
/// Trials mostly wait for servers: a few more than there are cores keep the cores busy.
const MORE_THREADS_THAN_CORES: usize = 2;

fn scenarios() -> Vec<Scenario> {
    [
        smoke::scenarios(),
        drill::scenarios(),
        archive::scenarios(),
        soak::scenarios(),
        by_hand::scenarios(),
        readme::scenarios(),
        recovery_sheet::scenarios(),
        refusals::scenarios(),
        s3::scenarios(),
        retention::scenarios(),
        runbooks::scenarios(),
        compose::scenarios(),
        several::scenarios(),
        copy::scenarios(),
        damage_matrix::scenarios(),
        data_directory::scenarios(),
        demo::scenarios(),
        faults::scenarios(),
        hostile::scenarios(),
        month::scenarios(),
        notify::scenarios(),
        session::scenarios(),
        signed::scenarios(),
        started::scenarios(),
        status::scenarios(),
        sweep::scenarios(),
        systemd::scenarios(),
        table::scenarios(),
        frozen::scenarios(),
        oracle::scenarios(),
        verify::scenarios(),
        dump::scenarios(),
        wal_records::scenarios(),
        wal_targets::scenarios(),
        targets::scenarios(),
        timelines::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    arguments.test_threads.get_or_insert(cores + MORE_THREADS_THAN_CORES);

    let wanted = majors::wanted();
    let installed = majors::installed(&wanted);
    let trials = installed.iter().flat_map(|i| scenarios().into_iter().map(|s| trial(i, s))).collect();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }

    scratch::sweep();
    stop_servers_on_signals();
    // Before anything is forked: a child on its way to exec would hold it open, and nobody could run it (ETXTBSY).
    support::site::binary();
    let conclusion = libtest_mimic::run(&arguments, trials);
    shared::release();
    scratch::end();

    let lacking = summary::print(&wanted, &installed);
    let narrowed = arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.ignored;
    if lacking.is_empty() || narrowed {
        return conclusion.exit_code();
    }
    eprintln!("error: no scenario ran on PostgreSQL {lacking:?}, which is required");
    eprintln!("hint: scripts/servers, or PGCAIRN_TEST_MAJORS=none to do without");
    ExitCode::FAILURE
}

fn trial(install: &'static Installation, scenario: Scenario) -> Trial {
    let major = install.major;
    let name = format!("pg{major}::{}", scenario.name);
    let label = name.clone();
    Trial::ignorable_test(name, move || {
        let began = Instant::now();
        let result = std::panic::catch_unwind(|| (scenario.run)(install));
        summary::took(&label, began.elapsed());
        match result.unwrap_or_else(|panic| Err(Stop::Fail(panic_message(&*panic)))) {
            Ok(()) => {
                summary::passed(major);
                Ok(Completion::Completed)
            }
            Err(Stop::Skip(reason)) => {
                summary::skipped(major, &label, &reason);
                Ok(Completion::ignored_with(reason))
            }
            Err(Stop::Fail(message)) => {
                summary::failed(major);
                Err(Failed::from(message))
            }
        }
    })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("(no message)"))
}

fn stop_servers_on_signals() {
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("signal handlers can be installed");
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            scratch::end();
            std::process::exit(INTERRUPTED);
        }
    });
}
