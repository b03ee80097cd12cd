//! Every request of backup, push, fetch, expire, copy and restore meets every fault: the run succeeds or says why it
//! does not, what was acknowledged stays whole, and the next run succeeds.
//!
//! Which of them are tried in the short form is chosen by `PGCAIRN_TEST_SEED`, which a failure names; at length all are.

mod chosen;
mod kind;
mod tree;
mod verdict;
mod work;
mod world;

use std::sync::Mutex;

use crate::s3::server::Fault;
use crate::s3::server::plot::Plot;
use crate::support::majors::Installation;
use crate::support::site::Run;
use crate::support::{Outcome, Scenario, Stop, full_length, skip};
use chosen::Chosen;
use kind::Kind;
use work::Work;
use world::{Case, HOST, World};

const MAIN_MAJOR: u32 = 18;
/// Runs of commands side by side, beside the backups, of which the server archives for one.
const THREADS: usize = 3;
/// At length most of the time is waiting for answers that do not come.
const MANY_THREADS: usize = 6;

/// One request of a run, and what becomes of it.
#[derive(Debug, Clone, Copy)]
struct Trial {
    work: Work,
    at: usize,
    kind: Kind,
}

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "sweep::every_call", run: every_call }]
}

fn every_call(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("PostgreSQL 18 alone unless in full length");
    }
    let chosen = Chosen::by_environment();
    swept(install, &chosen).map_err(|stop| match stop {
        Stop::Fail(message) => Stop::Fail(format!("{message}\nagain: {}", chosen.again())),
        skip => skip,
    })
}

fn swept(install: &'static Installation, chosen: &Chosen) -> Outcome {
    let world = World::new(install)?;
    let mut trials = Vec::new();
    for work in Work::ALL {
        let requests = counted(&world, work)?;
        trials.extend(chosen.of(work, requests));
    }
    let number = trials.len();
    let (backups, others): (Vec<Trial>, Vec<Trial>) = trials.into_iter().partition(|t| t.work == Work::Backup);
    let (slow, quick): (Vec<Trial>, Vec<Trial>) = others.into_iter().partition(|t| t.kind == Kind::Silent);
    let threads = if full_length() { MANY_THREADS } else { THREADS };
    let waiting = slow.len().min(if full_length() { MANY_THREADS } else { slow.len() });
    let queues = [(backups, 1), (quick, threads), (slow, waiting)].map(|(queue, threads)| (Mutex::new(queue), threads));
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for (queue, threads) in &queues {
            (0..*threads).for_each(|_| drop(scope.spawn(|| drain(&world, queue, &failed))));
        }
    });
    if let Some(stop) = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        return Err(stop);
    }
    println!("fault sweep: {number} faults on PostgreSQL {}", install.major);
    world.restored_at_last()
}

/// Until nothing is left, or something failed.
fn drain(world: &World, queue: &Mutex<Vec<Trial>>, failed: &Mutex<Option<Stop>>) {
    let next = || queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
    while let Some(trial) = next() {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tried(world, trial)));
        let result = result.unwrap_or_else(|_| Err(Stop::Fail(format!("{trial:?}: a claim failed, see above"))));
        let mut failed = failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Err(stop) = result {
            failed.get_or_insert(stop);
        }
        if failed.is_some() {
            return;
        }
    }
}

/// How many requests it makes when nothing befalls it.
fn counted(world: &World, work: Work) -> Outcome<usize> {
    let case = world.case(work)?;
    let (run, came) = plotted(world, &case, usize::MAX, Kind::Lost)?;
    verdict::succeeded(world, &case, &run).map_err(|stop| format!("{work:?} without a fault: {stop:?}"))?;
    assert!(came >= 2, "{work:?} made {came} requests");
    Ok(came)
}

fn plotted(world: &World, case: &Case, spared: usize, kind: Kind) -> Outcome<(Run, usize)> {
    let (fault, afterwards): (Fault, Option<Fault>) = kind.faults();
    world.store.plots().lay(Plot { name: case.name.clone(), host: HOST, spared, fault, afterwards });
    let run = world.run(case);
    let came = world.store.plots().end(&case.name);
    Ok((run?, came))
}

fn tried(world: &World, trial: Trial) -> Outcome {
    let case = world.case(trial.work)?;
    let (run, _) = plotted(world, &case, trial.at, trial.kind)?;
    let judged = verdict::clean(&run, trial).and_then(|()| match run.status == trial.work.success() {
        true => verdict::succeeded(world, &case, &run),
        false => verdict::failed(world, &case).and_then(|()| {
            let again = world.run(&case)?.status_is(trial.work.success())?;
            verdict::succeeded(world, &case, &again)
        }),
    });
    judged.map_err(|stop| Stop::Fail(format!("{trial:?} in {}: {}\n{stop:?}", case.name, run.report())))?;
    world.done(case);
    Ok(())
}
