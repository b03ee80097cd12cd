//! Recovery targets of every kind: what `pgcairn restore` plans, what it lays down, and where PostgreSQL then
//! stops. A ledger compared in WAL order proves that exactly the transactions up to the target are there.

mod actions;
pub mod copy;
mod origin;
mod refusals;
mod same_time;
mod steps;
mod whole;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "targets::steps", run: steps::ascending },
        Scenario { name: "targets::whole", run: whole::every_kind },
        Scenario { name: "targets::ends", run: whole::immediate_and_latest },
        Scenario { name: "targets::equal_commit_times", run: whole::equal_commit_times },
        Scenario { name: "targets::actions", run: actions::of_every_kind },
        Scenario { name: "targets::recovery_settings", run: actions::no_leftovers },
        Scenario { name: "targets::refusals", run: refusals::of_every_kind },
    ]
}
