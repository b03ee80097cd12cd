//! Dependency policy over `cargo metadata`: licences that go with Apache-2.0, a stated job for every direct
//! dependency, released versions from the default registry only.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Licences under which a dependency may be distributed with an Apache-2.0 program.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The only platform that is built for; others' dependencies do not count.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("")
}

/// Packages that the build for our platform really contains: those of the resolved graph.
fn built_packages(metadata: &Value) -> Vec<&Value> {
    let built: Vec<_> = metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|n| text(n, "id")).collect();
    metadata["packages"].as_array().unwrap().iter().filter(|p| built.contains(&text(p, "id"))).collect()
}

/// Whether an SPDX expression can be satisfied from the list: AND binds tighter than OR, `/` is an old OR.
fn acceptable(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any_of(&words, &mut at);
    result && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut result = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all_of(words, at);
    }
    result
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut result = one_of(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one_of(words, at);
    }
    result
}

fn one_of(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let result = any_of(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return result && closed;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    LICENCES.contains(&name.as_str())
}

#[test]
fn expressions_are_read_with_their_precedence() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-2.0-only OR MIT", "(MIT OR GPL-2.0-only) AND Unicode-3.0"] {
        assert!(acceptable(good), "{good}");
    }
    for good in ["Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", "MIT AND Zlib"] {
        assert!(acceptable(good), "{good}");
    }
    for bad in ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT", "MIT) OR", "GPL-2.0-only WITH LLVM-exception"] {
        assert!(!acceptable(bad), "{bad}");
    }
}

#[test]
fn licences_are_acceptable() {
    let metadata = metadata();
    let mut used = BTreeMap::new();
    let mut wrong = Vec::new();
    for package in built_packages(&metadata) {
        let licence = text(package, "license");
        *used.entry(licence.to_owned()).or_insert(0) += 1;
        if !acceptable(licence) {
            wrong.push(format!("{} {}: {licence:?}", text(package, "name"), text(package, "version")));
        }
    }
    println!("{used:#?}");
    assert!(wrong.is_empty(), "licences that are not on the list:\n{}", wrong.join("\n"));
}

#[test]
fn dependencies_come_from_the_registry_in_stated_versions() {
    let metadata = metadata();
    let root = text(&metadata["resolve"], "root");
    for package in built_packages(&metadata) {
        let source = text(package, "source");
        let ours = text(package, "id") == root;
        assert!(ours || source.starts_with("registry+"), "{}: source {source:?}", text(package, "name"));
        if ours {
            for dependency in package["dependencies"].as_array().unwrap() {
                let (name, wanted) = (text(dependency, "name"), text(dependency, "req"));
                assert!(!wanted.is_empty() && !wanted.contains('*'), "{name}: version {wanted:?} is a wildcard");
            }
        }
    }
}

#[test]
fn every_direct_dependency_states_its_job() {
    let manifest = include_str!("../Cargo.toml");
    let (mut section, mut previous, mut wrong, mut seen) = ("", "", Vec::new(), 0);
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.contains('=') && !line.starts_with('#') {
            seen += 1;
            let job = previous.strip_prefix('#').map_or("", str::trim);
            if job.len() < 5 {
                wrong.push(line);
            }
        }
        previous = line;
    }
    assert!(seen > 10, "the dependencies were not found in Cargo.toml");
    assert!(wrong.is_empty(), "no job is stated in the comment above:\n{}", wrong.join("\n"));
}

/// An error of age that reads its own text from a directory of the build machine would panic elsewhere.
#[test]
fn texts_of_age_are_in_the_program() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_pgcairn")).unwrap();
    let text = b"err-stream-last-chunk-empty = ";
    assert!(program.windows(text.len()).any(|window| window == text));
}
