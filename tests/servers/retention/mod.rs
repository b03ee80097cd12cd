//! Retention on real repositories: what expiry keeps can be restored, what it drops can be brought back for its grace
//! time, and neither a kill, nor another run, nor a backup at work, nor a full disk changes that.

mod aged;
mod life;
mod trouble;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "retention::life", run: life::life },
        Scenario { name: "retention::trouble", run: trouble::trouble },
        Scenario { name: "retention::beside_a_backup", run: trouble::beside_a_backup },
    ]
}
