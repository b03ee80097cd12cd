//! Several repositories of one cluster: WAL in all that must have it, backups copied without a key, one healing
//! another, and a restore from whichever is left.

mod away;
mod drained;
mod healed;
mod histories;
mod holds;
mod judged;
mod life;
pub mod place;
mod planted;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "several::middle_is_away", run: away::middle },
        Scenario { name: "several::required_is_away", run: away::required },
        Scenario { name: "several::life", run: life::life },
        Scenario { name: "several::holds", run: holds::holds },
        Scenario { name: "several::fits_several", run: holds::fits_several },
        Scenario { name: "several::healed", run: healed::healed },
        Scenario { name: "several::fetched_from_any", run: healed::fetched_from_any },
        Scenario { name: "several::split_brain", run: histories::split_brain },
        Scenario { name: "several::promoted_twice", run: histories::promoted_twice },
        Scenario { name: "several::shared", run: histories::shared },
        Scenario { name: "several::planted_segment", run: planted::segment },
        Scenario { name: "several::planted_backup", run: planted::backup },
        Scenario { name: "several::planted_kind", run: planted::kind },
        Scenario { name: "several::planted_timeline", run: planted::timeline },
        Scenario { name: "several::drained", run: drained::drained },
        Scenario { name: "several::monthly", run: drained::monthly },
        Scenario { name: "several::own_retention", run: drained::own_retention },
        Scenario { name: "several::dropped_first", run: drained::dropped_first },
        Scenario { name: "several::killed", run: drained::killed },
        Scenario { name: "several::rotten_signature", run: judged::rotten_signature },
        Scenario { name: "several::one_place_twice", run: judged::one_place_twice },
        Scenario { name: "several::another_generation", run: judged::another_generation },
        Scenario { name: "several::claimed_and_restored", run: judged::claimed_and_restored },
        Scenario { name: "several::in_nobody_s_way", run: judged::in_nobody_s_way },
        Scenario { name: "several::undeleted_and_lost", run: judged::undeleted_and_lost },
        Scenario { name: "several::a_list_that_is_cut", run: judged::a_list_that_is_cut },
    ]
}
