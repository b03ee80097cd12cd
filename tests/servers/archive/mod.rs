//! The WAL archive: what `wal push` takes and refuses, what `wal fetch` answers, and what PostgreSQL does with
//! the answers.

mod broken;
mod cluster;
mod fetch;
mod keep;
mod places;
mod primary;
mod push;
mod recovery;
mod requests;
mod signals;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "archive::push_once_and_again", run: push::once_and_again },
        Scenario { name: "archive::push_refuses", run: push::refuses },
        Scenario { name: "archive::push_at_once", run: push::at_once },
        Scenario { name: "archive::places_that_fail", run: places::that_fail },
        Scenario { name: "archive::full_disk", run: places::full_disk },
        Scenario { name: "archive::read_only_mount", run: places::read_only_mount },
        Scenario { name: "archive::signals", run: signals::anywhere },
        Scenario { name: "archive::fetch_statuses", run: fetch::statuses },
        Scenario { name: "archive::fetch_of_damaged", run: fetch::damaged },
        Scenario { name: "archive::recovery_of_a_base_backup", run: recovery::of_a_base_backup },
        Scenario { name: "archive::recovery_of_a_restore", run: recovery::of_a_restore },
        Scenario { name: "archive::standby_keeps_asking", run: recovery::standby_keeps_asking },
        Scenario { name: "archive::broken_before_it_was_archived", run: broken::before_it_was_archived },
        Scenario { name: "archive::list_and_flush", run: keep::list_and_flush },
        Scenario { name: "archive::always", run: keep::always },
        Scenario { name: "archive::requests", run: requests::counted },
    ]
}
