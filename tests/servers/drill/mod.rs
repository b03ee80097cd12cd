//! `drill`: what it proves of a sound backup, and that each way in which a restore can be worth nothing makes it fail,
//! with its reason.

mod dumps;
mod fails;
mod member;
mod passes;
mod stage;

use crate::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "drill::passes", run: passes::passes },
        Scenario { name: "drill::any_moment", run: passes::any_moment },
        Scenario { name: "drill::keeps_what_is_proven", run: passes::keeps_what_is_proven },
        Scenario { name: "drill::planted", run: passes::planted },
        Scenario { name: "drill::one_repository", run: passes::one_repository },
        Scenario { name: "drill::elsewhere", run: passes::elsewhere },
        Scenario { name: "drill::by_a_member", run: member::by_a_member },
        Scenario { name: "drill::assertions", run: fails::assertions },
        Scenario { name: "drill::tables", run: fails::tables },
        Scenario { name: "drill::pages", run: fails::pages },
        Scenario { name: "drill::what_restore_refuses", run: fails::what_restore_refuses },
        Scenario { name: "drill::no_server", run: fails::no_server },
        Scenario { name: "drill::out_of_space", run: fails::out_of_space },
        Scenario { name: "drill::time_and_signals", run: fails::time_and_signals },
        Scenario { name: "drill::killed", run: fails::killed },
        Scenario { name: "drill::dump_passes", run: dumps::passes },
        Scenario { name: "drill::dump_fails", run: dumps::fails },
        Scenario { name: "drill::dump_elsewhere", run: dumps::elsewhere },
        Scenario { name: "drill::dump_ends", run: dumps::ends },
        Scenario { name: "drill::everything", run: dumps::everything },
    ]
}
