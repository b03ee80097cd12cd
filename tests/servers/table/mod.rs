//! `restore --table`: tables come back as they were, beside the live ones and into files, and nothing else changes,
//! whatever ends it.

mod back;
mod ends;
mod files;
mod stage;

use crate::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "table::rows_come_back", run: back::rows_come_back },
        Scenario { name: "table::dropped", run: back::dropped },
        Scenario { name: "table::one_partition", run: back::one_partition },
        Scenario { name: "table::files", run: files::files },
        Scenario { name: "table::full_disk", run: files::full_disk },
        Scenario { name: "table::all_or_nothing", run: ends::all_or_nothing },
        Scenario { name: "table::signals", run: ends::signals },
    ]
}
