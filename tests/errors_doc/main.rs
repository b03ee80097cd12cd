//! Holds docs/errors.md against what pgcairn says: each row that needs no server is provoked here and compared word
//! for word, and where its hint is a command, that command is shown to work. Rows that need a server are
//! provoked by the scenarios in tests/servers/refusals/.

mod cases;
mod notify;
mod place;
mod repositories;
mod s3;
mod schedule;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;
use pgcairn::cli::Arguments;
use pgcairn::model::error::Code;
use place::Place;

/// Where rows are provoked that need a server or a repository; most of them in `refusals`.
const ON_SERVERS: [&str; 8] = ["refusals", "archive", "timelines", "retention", "s3", "several", "started", "dump"];

/// A bug, which no test can bring about; and what is told as a result, not as an error.
const WITHOUT_A_ROW: [Code; 2] = [Code::Internal, Code::DrillFailed];

/// Those that are provoked here.
fn cases() -> impl Iterator<Item = &'static cases::Case> {
    [cases::ALL, repositories::ALL, s3::ALL, notify::ALL, schedule::ALL].into_iter().flatten()
}

/// The sources of all trials there.
fn trials() -> String {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers");
    let files = ON_SERVERS.iter().flat_map(|dir| fs::read_dir(servers.join(dir)).unwrap());
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
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
    for case in cases() {
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
    let here: BTreeSet<_> = cases().map(|case| case.when).collect();
    let rows = table::rows();
    let unproven: Vec<_> = rows.iter().map(|row| row.when.as_str()).filter(|when| !here.contains(when)).collect();
    let trials = trials();
    let unproven: Vec<_> = unproven.into_iter().filter(|when| !trials.contains(&format!("\"{when}\""))).collect();
    assert!(unproven.is_empty(), "no test provokes: {unproven:#?}");
    let whens: BTreeSet<_> = rows.iter().map(|row| &row.when).collect();
    assert_eq!(whens.len(), rows.len(), "two rows say the same \"when\"");
}

/// Whatever a row advises, the command line takes; what it then does is shown where the row is provoked.
#[test]
fn every_command_in_a_hint_is_taken() {
    let rows = table::rows();
    let commands: BTreeSet<&str> = rows.iter().flat_map(|row| commands(&row.refusal.hint)).collect();
    assert!(commands.len() > 20, "{commands:#?}");
    let refused = |command: &&str| {
        // As PostgreSQL does.
        let words = command.split_whitespace().map(|word| word.replace("%f", "000000010000000000000005"));
        Arguments::try_parse_from(words).is_err_and(|error| error.kind() != ErrorKind::DisplayHelp)
    };
    let refused: Vec<_> = commands.into_iter().filter(refused).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The commands of pgcairn within a hint: what ends one is no part of any.
fn commands(hint: &str) -> impl Iterator<Item = &str> {
    const ENDS: [&str; 9] = [",", ";", "`", "'", "   #", " on the primary", " tries it", " waits", ": PostgreSQL"];
    // Another program's arguments may end with the name; or it is spoken of, not advised.
    let spoken_of = move |start: usize| {
        hint.starts_with("install ") || ["`", "the same "].iter().any(|end| hint[..start].ends_with(end))
    };
    let own = hint.match_indices("pgcairn ").filter(move |(start, _)| !spoken_of(*start));
    let starts = own.map(|(start, _)| &hint[start..]);
    starts.map(|rest| &rest[..ENDS.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len())])
}
