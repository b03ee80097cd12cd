//! Help, version, completions and manual pages.

use insta::assert_snapshot;

use super::support::Place;

#[test]
fn help_and_version() {
    let place = Place::new();
    assert_snapshot!(place.run(&["--help"]));
    assert_snapshot!(place.run(&["wal", "fetch", "--help"]));
    assert!(place.run(&["--version"]).stdout.starts_with("pgcairn "));
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Place::new().run(&["completions", shell]);
        assert_eq!(run.status, Some(0), "{shell}");
        assert!(run.stdout.contains("target-dir"), "{shell}");
    }
}

#[test]
fn manual_pages_are_printed_or_written() {
    let place = Place::new();
    assert!(place.run(&["man"]).stdout.contains(".TH"));
    assert_eq!(place.run(&["man", "--output", "man1"]).status, Some(0));
    for page in ["pgcairn.1", "pgcairn-restore.1", "pgcairn-wal-fetch.1"] {
        assert!(place.path("man1").join(page).is_file(), "{page}");
    }
    place.write("file", "");
    assert_snapshot!(place.run(&["man", "--output", "file/man1"]));
}
