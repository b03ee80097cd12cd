//! `key generate`: the file, the recipient, and what is never done.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;

use super::support::{Place, is_root, mode};

#[test]
fn the_file_is_private_and_of_the_usual_form() {
    let place = Place::new();
    let run = place.run(&["key", "generate", "--output", "key.txt", "--json"]);
    assert_eq!(run.status, Some(0), "{run}");
    let said: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let recipient = said["recipient"].as_str().unwrap();
    let file = fs::read_to_string(place.path("key.txt")).unwrap();
    assert!(file.contains(&format!("# public key: {recipient}\n")) && file.contains("\nAGE-SECRET-KEY-1"));
    assert_eq!(mode(&place.path("key.txt")), 0o600);
    assert!(!run.to_string().contains("AGE-SECRET"), "{run}");
}

#[test]
fn the_recipient_and_the_next_command_are_said() {
    let place = Place::new();
    let mut run = place.run(&["key", "generate", "--output", "key.txt"]);
    let file = fs::read_to_string(place.path("key.txt")).unwrap();
    let recipient = file.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    run.stdout = run.stdout.replace(recipient, "RECIPIENT");
    assert_snapshot!(run);
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let place = Place::new();
    place.write("key.txt", "precious");
    assert_snapshot!(place.run(&["key", "generate", "--output", "key.txt"]));
    assert_eq!(fs::read_to_string(place.path("key.txt")).unwrap(), "precious");
}

#[test]
fn a_directory_that_is_not_there() {
    assert_snapshot!(Place::new().run(&["key", "generate", "--output", "absent/key.txt"]));
}

/// The stock program reads what we wrote.
#[test]
fn age_knows_the_recipient_of_the_file() {
    let place = Place::new();
    assert_eq!(place.run(&["key", "generate", "--output", "key.txt"]).status, Some(0));
    let Ok(output) = Command::new("age-keygen").arg("-y").arg(place.path("key.txt")).output() else {
        eprintln!("skipped: age-keygen is not installed");
        return;
    };
    let file = fs::read_to_string(place.path("key.txt")).unwrap();
    assert!(file.contains(String::from_utf8_lossy(&output.stdout).trim()));
}

#[test]
fn a_closed_directory_is_refused() {
    if is_root() {
        eprintln!("skipped: root may write everywhere");
        return;
    }
    let run = Place::new().run(&["key", "generate", "--output", "/etc/pgcairn-test-key.txt"]);
    assert_eq!(run.status, Some(8), "{run}");
}
