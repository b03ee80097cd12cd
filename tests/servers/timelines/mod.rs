//! Recovery across timelines: promotions of restored copies and of standbys, clusters that had some behind them
//! before pgcairn came, and archives that have lost a history.

mod branches;
mod old;
mod standby;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "timelines::two_promotions", run: branches::two_promotions },
        Scenario { name: "timelines::on_five_already", run: old::on_five_already },
        Scenario { name: "timelines::backup_of_a_standby", run: standby::backup },
        Scenario { name: "timelines::standby_of_an_idle_primary", run: standby::of_an_idle_primary },
        Scenario {
            name: "timelines::standby_of_a_primary_that_stays_idle",
            run: standby::of_a_primary_that_stays_idle,
        },
    ]
}
