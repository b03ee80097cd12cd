//! The pages of docs/runbooks, and those of docs/migrate that have commands, followed: each trial sets the misfortune on a real server, types the page's commands as
//! they stand there, and looks whether everything is back. Pages are read when the trial runs.

mod archiving;
mod attack;
mod commands;
mod corruption;
mod keys;
mod lost;
mod migrate;
mod mistakes;
mod page;
mod pages;
mod reader;
mod stage;
mod upgrade;
mod without;

use super::support::Scenario;

/// Each page with a trial of its own; `pages` finds the one that has none.
pub const TRIALS: &[Scenario] = &[
    Scenario { name: "runbooks::rows-deleted", run: mistakes::rows_deleted },
    Scenario { name: "runbooks::table-dropped", run: mistakes::table_dropped },
    Scenario { name: "runbooks::archiving-stalled", run: archiving::stalled },
    Scenario { name: "runbooks::corruption", run: corruption::found },
    Scenario { name: "runbooks::host-lost", run: lost::host },
    Scenario { name: "runbooks::site-lost", run: lost::site },
    Scenario { name: "runbooks::repository-lost", run: lost::repository },
    Scenario { name: "runbooks::repository-damaged", run: lost::damaged },
    Scenario { name: "runbooks::backup-missing", run: lost::backup },
    Scenario { name: "runbooks::drill-failed", run: lost::drill },
    Scenario { name: "runbooks::ransomware", run: attack::ransomware },
    Scenario { name: "runbooks::key-lost", run: keys::lost },
    Scenario { name: "runbooks::key-leaked", run: keys::leaked },
    Scenario { name: "runbooks::major-upgrade", run: upgrade::major },
    Scenario { name: "runbooks::pgcairn-unavailable", run: without::pgcairn },
];

pub fn scenarios() -> Vec<Scenario> {
    let own = TRIALS.iter().map(|trial| Scenario { name: trial.name, run: trial.run });
    let others = [
        Scenario { name: "runbooks::pages", run: pages::all },
        Scenario { name: "runbooks::migrate-side-by-side", run: migrate::side_by_side },
        Scenario { name: "runbooks::migrate-dump", run: migrate::dump },
    ];
    own.chain(others).collect()
}
