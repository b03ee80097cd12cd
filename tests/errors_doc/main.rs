//! Holds docs/errors.md against what pgcairn says: each row that needs no server is provoked here and compared word
//! for word, and where its hint is a command, that command is shown to work. Rows that need a server are
//! provoked by the scenarios in tests/servers/refusals/.

mod cases;
mod place;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use pgcairn::model::error::Code;
use place::Place;

/// Where rows are provoked that need a server or a repository.
const ON_SERVERS: [&str; 4] = [
    include_str!("../servers/refusals/repository.rs"),
    include_str!("../servers/refusals/server.rs"),
    include_str!("../servers/refusals/push.rs"),
    include_str!("../servers/refusals/restore.rs"),
];

#[test]
fn every_code_is_explained() {
    let codes = Code::ALL.iter().map(|c| (c.name().to_owned(), c.exit_status().to_string()));
    assert_eq!(table::codes(), codes.collect::<BTreeSet<_>>());
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
    let unproven: Vec<_> =
        unproven.into_iter().filter(|when| !ON_SERVERS.concat().contains(&format!("\"{when}\""))).collect();
    assert!(unproven.is_empty(), "no test provokes: {unproven:#?}");
    let whens: BTreeSet<_> = rows.iter().map(|row| &row.when).collect();
    assert_eq!(whens.len(), rows.len(), "two rows say the same \"when\"");
}
