//! Holds docs/errors.md against what pgcairn says: each row that needs no server is provoked here and compared word
//! for word, and where its hint is a command, that command is shown to work. Rows that need a server are
//! provoked by the scenarios in tests/servers/refusals/.

mod cases;
mod place;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use pgcairn::model::error::Code;
use place::Place;

/// Where rows are provoked that need a server or a repository.
const ON_SERVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/refusals");

/// A bug, which no test can bring about.
const WITHOUT_A_ROW: [Code; 1] = [Code::Internal];

/// The sources of all trials there.
fn trials() -> String {
    let files = fs::read_dir(ON_SERVERS).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn every_code_is_explained() {
    let codes = Code::ALL.iter().map(|c| (c.name().to_owned(), c.exit_status().to_string()));
    assert_eq!(table::codes(), codes.collect::<BTreeSet<_>>());
}

#[test]
fn every_code_has_a_row() {
    let rows: BTreeSet<_> = table::rows().into_iter().map(|row| row.refusal.code).collect();
    let codes = Code::ALL.iter().filter(|code| !WITHOUT_A_ROW.contains(code)).map(|code| code.name());
    let lacking: Vec<_> = codes.filter(|code| !rows.contains(*code)).collect();
    assert!(lacking.is_empty(), "no row shows {lacking:?}");
}

#[test]
fn every_row_is_what_is_said() {
    let rows: BTreeMap<_, _> = table::rows().into_iter().map(|row| (row.when, row.refusal)).collect();
    let mut wrong = Vec::new();
    for case in cases::ALL {
        let place = Place::new();
        let said = (case.provoke)(&place);
        if rows.get(case.when) != Some(&said) {
            wrong.push(said.row(case.when));
        } else if let Some(follow) = case.follow {
            follow(&place);
        }
    }
    assert!(wrong.is_empty(), "docs/errors.md should have\n{}", wrong.join("\n"));
}

#[test]
fn every_row_is_provoked() {
    let here: BTreeSet<_> = cases::ALL.iter().map(|case| case.when).collect();
    let rows = table::rows();
    let unproven: Vec<_> = rows.iter().map(|row| row.when.as_str()).filter(|when| !here.contains(when)).collect();
    let trials = trials();
    let unproven: Vec<_> = unproven.into_iter().filter(|when| !trials.contains(&format!("\"{when}\""))).collect();
    assert!(unproven.is_empty(), "no test provokes: {unproven:#?}");
    let whens: BTreeSet<_> = rows.iter().map(|row| &row.when).collect();
    assert_eq!(whens.len(), rows.len(), "two rows say the same \"when\"");
}
