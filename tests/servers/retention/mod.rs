//! Retention on real repositories: what expiry keeps can be restored, what it drops can be brought back for its grace
//! time, and neither a kill, nor another run, nor a backup at work, nor a full disk changes that.

pub mod aged;
mod document;
mod elsewhere;
mod faults;
mod gaps;
mod late;
mod life;
mod trouble;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "retention::life", run: life::life },
        Scenario { name: "retention::trouble", run: trouble::trouble },
        Scenario { name: "retention::beside_a_backup", run: trouble::beside_a_backup },
        Scenario { name: "retention::document", run: document::document },
        Scenario { name: "retention::faults", run: faults::faults },
        Scenario { name: "retention::gaps", run: gaps::gaps },
        Scenario { name: "retention::too_late", run: late::too_late },
        Scenario { name: "retention::elsewhere", run: elsewhere::elsewhere },
    ]
}
