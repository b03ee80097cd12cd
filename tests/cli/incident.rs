//! `help incident`: what it says, and that the command line takes every command of it.

use clap::Parser;
use insta::assert_snapshot;
use pgcairn::cli::Arguments;

use super::support::Place;

#[test]
fn what_to_do_with_the_names_of_this_host() {
    let place = Place::with_config();
    place.write("data/PG_VERSION", "18\n");
    let run = place.run(&["-c", "main.toml", "help", "incident"]);
    assert_snapshot!(run);
    for line in run.stdout.lines().filter(|line| !line.starts_with("      ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn without_a_configuration_the_names_are_examples() {
    let run = Place::new().run(&["-c", "absent.toml", "help", "incident"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stdout.starts_with("Names are examples: configuration absent.toml cannot be read"), "{run}");
    assert!(run.stdout.contains("/usr/lib/postgresql/MAJOR/bin/pg_ctl"), "{run}");
}

/// As a shell does, as far as these lines need it.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    let part = |(number, text): (usize, &str)| -> Vec<String> {
        match number % 2 {
            0 => text.split_whitespace().map(str::to_owned).collect(),
            _ => vec![text.to_owned()],
        }
    };
    quoted.flat_map(part).collect()
}

#[test]
fn every_command_is_taken() {
    let run = Place::with_config().run(&["-c", "main.toml", "help", "incident"]);
    let commands: Vec<&str> = run.stdout.lines().map(str::trim).filter(|line| line.starts_with("pgcairn ")).collect();
    assert!(commands.len() > 20, "{run}");
    for command in commands {
        let key = "ed25519:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
        let example = command
            .replace("file://DIR", "file:///srv")
            .replace("--trusted KEY", &format!("--trusted {key}"))
            .replace(" ID ", " 20261120T ");
        let taken = Arguments::try_parse_from(words(&example));
        assert!(taken.is_ok(), "{command}: {}", taken.unwrap_err());
    }
}

#[test]
fn every_page_is_there() {
    let run = Place::with_config().run(&["-c", "main.toml", "help", "incident", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let kinds = told["kinds"].as_array().unwrap();
    assert!(kinds.len() > 7, "{run}");
    for kind in kinds {
        let page = kind["page"].as_str().unwrap();
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page).is_file(), "{page}");
    }
}

#[test]
fn help_of_a_command_is_what_the_command_says() {
    let place = Place::new();
    assert_eq!(place.run(&["help", "wal", "fetch"]).stdout, place.run(&["wal", "fetch", "--help"]).stdout);
    assert_eq!(place.run(&["help"]).stdout, place.run(&["--help"]).stdout);
    let unknown = place.run(&["help", "restroe"]);
    assert!(unknown.status == Some(2) && unknown.stderr.contains("unrecognized subcommand 'restroe'"), "{unknown}");
}
