//! House rules that no other tool checks: nothing in a tracked file depends on one machine, every module says
//! what it is for, scripts can be run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Tracked files, and those about to be; without git (an unpacked release) there is nothing to check.
fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let Ok(output) = output else { return Vec::new() };
    let names = String::from_utf8(output.stdout).unwrap();
    names.split('\0').filter(|n| !n.is_empty()).map(PathBuf::from).filter(|p| root().join(p).is_file()).collect()
}

/// (path, text) of every tracked file that is text; fixtures and the lock file are data.
fn texts() -> Vec<(PathBuf, String)> {
    let is_data = |p: &Path| p.starts_with("fixtures") || p.ends_with("Cargo.lock");
    tracked()
        .into_iter()
        .filter(|p| !is_data(p))
        .filter_map(|p| fs::read_to_string(root().join(&p)).ok().map(|text| (p, text)))
        .collect()
}

/// Lines that hold one of the words, as `path:line: text`.
fn lines_with(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|w| line.contains(w.as_str())) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn no_path_of_one_machine() {
    // Put together here, so that this file does not find itself.
    let words: Vec<_> = ["work", "root", "Users", "home/user"].iter().map(|dir| format!("/{dir}/")).collect();
    let found = lines_with(&words);
    assert!(found.is_empty(), "paths of one machine:\n{}", found.join("\n"));
}

#[test]
fn no_registry_host() {
    let hosts = [("registry", "npmjs"), ("index", "crates"), ("static", "crates"), ("files", "pythonhosted")];
    let words: Vec<_> = hosts.iter().map(|(a, b)| format!("{a}.{b}.")).chain(["artifact".to_owned() + "ory"]).collect();
    let found = lines_with(&words);
    assert!(found.is_empty(), "registry hosts:\n{}", found.join("\n"));
}

#[test]
fn lines_are_clean() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        let is_snapshot = path.extension().is_some_and(|e| e == "snap");
        for (number, line) in text.lines().enumerate() {
            if !is_snapshot && line.ends_with([' ', '\t', '\r']) {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.push(format!("{}: no newline at the end", path.display()));
        }
    }
    assert!(wrong.is_empty(), "trailing blanks:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    let wanting: Vec<_> = texts()
        .into_iter()
        .filter(|(path, text)| path.extension().is_some_and(|e| e == "rs") && !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    assert!(wanting.is_empty(), "no `//!` on the first line: {wanting:?}");
}

#[test]
fn scripts_can_be_run() {
    for path in tracked().iter().filter(|p| p.starts_with("scripts") || p.starts_with(".ci")) {
        let mode = fs::metadata(root().join(path)).unwrap().permissions().mode();
        let is_script = fs::read_to_string(root().join(path)).is_ok_and(|t| t.starts_with("#!"));
        assert!(!is_script || mode & 0o111 != 0, "{} is not executable", path.display());
    }
}
