//! `verify`: whatever is damaged is named with the backups it hurts, and nothing that is sound.

mod content;
mod forged;
mod keyless;
mod overclaim;
mod rotation;

use serde_json::Value;

use crate::several::place::Place;
use crate::support::{Outcome, Scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "verify::keyless", run: keyless::keyless },
        Scenario { name: "verify::content", run: content::content },
        Scenario { name: "verify::keys", run: content::keys },
        Scenario { name: "verify::forged", run: forged::forged },
        Scenario { name: "verify::pages", run: forged::pages },
        Scenario { name: "verify::again", run: rotation::again },
        Scenario { name: "verify::sample", run: rotation::sample },
        Scenario { name: "verify::resumed", run: rotation::resumed },
        Scenario { name: "verify::unopened", run: overclaim::unopened },
        Scenario { name: "verify::alarms", run: overclaim::alarms },
    ]
}

/// The first repository's part of what a run says.
fn verified(place: &Place, words: &[&str], status: i32) -> Outcome<Value> {
    let run = place.site.run(&[&["verify", "--json"], words].concat())?.status_is(status)?;
    Ok(run.json()?["repositories"][0].clone())
}

/// The same with the key at hand.
fn opened(place: &Place, words: &[&str], status: i32) -> Outcome<Value> {
    let run = place.site.run_with_identity(&[&["verify", "--json"], words].concat())?.status_is(status)?;
    Ok(run.json()?["repositories"][0].clone())
}
