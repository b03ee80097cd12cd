//! What a backup holds and what a restore makes of it: everything that is to be copied, nothing else, whatever
//! happens meanwhile.

mod again;
pub mod background;
mod changes;
mod damage;
mod dropped;
mod elsewhere;
mod equality;
mod inside;
mod interruptions;
mod quiet;
mod refusals;
mod rules;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "copy::image_equals_data_directory", run: equality::image_equals_data_directory },
        Scenario { name: "copy::restored_equals_image", run: equality::restored_equals_image },
        Scenario { name: "copy::changes_meanwhile", run: changes::changes_meanwhile },
        Scenario { name: "copy::configuration_elsewhere", run: elsewhere::configuration_elsewhere },
        Scenario { name: "copy::restored_and_backed_up_again", run: again::restored_and_backed_up_again },
        Scenario { name: "copy::damaged_pages", run: damage::damaged_pages },
        Scenario { name: "copy::target_refused", run: refusals::target_refused },
        Scenario { name: "copy::too_little_disk", run: refusals::too_little_disk },
        Scenario { name: "copy::interrupted_restore", run: interruptions::interrupted_restore },
        Scenario { name: "copy::interrupted_backup", run: interruptions::interrupted_backup },
        Scenario { name: "copy::archiving_breaks", run: interruptions::archiving_breaks },
        Scenario { name: "copy::tablespace_dropped_meanwhile", run: dropped::tablespace_dropped_meanwhile },
        Scenario { name: "copy::tablespace_in_the_data_directory", run: inside::tablespace_in_the_data_directory },
    ]
}
