//! `restore --start`: a copy that runs beside its living origin and has nothing to do with it, whatever the origin was
//! told and however it is laid out.

mod beside;
mod compare;
mod copy;
mod document;
mod life;
mod origin;
mod targets;

use super::support::Scenario;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "started::beside_a_plain_origin", run: beside::plain },
        Scenario { name: "started::beside_an_origin_as_debian_lays_it_out", run: beside::debian },
        Scenario { name: "started::by_root", run: beside::by_root },
        Scenario { name: "started::stopped_and_started_again", run: life::stopped_and_started_again },
        Scenario { name: "started::every_kind_of_target", run: targets::every_kind },
        Scenario { name: "started::opened_instead_of_paused", run: targets::opened_instead },
        Scenario { name: "started::outlives_the_terminal", run: life::outlives_the_terminal },
        Scenario { name: "started::surroundings", run: compare::surroundings },
        Scenario { name: "started::another_superuser", run: life::another_superuser },
        Scenario { name: "started::libraries", run: life::libraries },
        Scenario { name: "started::document", run: document::document },
        Scenario { name: "started::on_a_port", run: life::on_a_port },
        Scenario { name: "started::a_signal_stops_the_server", run: life::a_signal_stops_the_server },
    ]
}
