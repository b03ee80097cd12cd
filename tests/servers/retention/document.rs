//! The commands of docs/retention.md, executed in their order.

use crate::support::Outcome;
use crate::support::document::{commands, run_commands};
use crate::support::majors::Installation;
use crate::support::scratch::{self, Scratch};
use crate::support::site::binary;

use super::aged::{Aged, listed};

const DOCUMENT: &str = include_str!("../../../docs/retention.md");
const POLICY: &str = "[retention]\nrecovery_window = \"2d\"\nminimum = 1\n";
const ID: &str = "20261120T030000Z-full-7k3f";

pub fn document(install: &'static Installation) -> Outcome {
    let mut aged = Aged::new(install, "[backup]\njobs = 1\n", &[20, 10, 3, 1])?;
    let retention =
        DOCUMENT.split("\n```toml\n").nth(1).and_then(|rest| rest.split("\n```").next()).ok_or("no toml")?;
    let mut other = aged.site.fork()?;
    other.configure(&format!("{retention}\n"))?;
    other.run(&["config", "check"])?.ok()?;
    other.run(&["expire", "--dry-run"])?.ok()?.says(&["would drop 0 backups"])?;

    aged.site.configure(POLICY)?;
    let place = Scratch::new()?;
    let path = format!("{}:/usr/bin:/bin", scratch::root().display());
    let config = aged.site.config().display().to_string();
    binary();
    let blocks: Vec<String> = commands(DOCUMENT).into_iter().map(|block| block.replace(ID, &aged.ids[0])).collect();
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let (last, before) = blocks.split_last().ok_or("no commands")?;
    let environment = [("PATH", path.as_str()), ("PGCAIRN_CONFIG", config.as_str())];
    let said = run_commands(before, place.path(), &environment)?;
    for text in ["window rests on it", "held: case 4711", "dropped 2 backups", "is back"] {
        assert!(said.contains(text), "{text}:\n{said}");
    }
    assert_eq!(listed(&aged.site, &[])?, [&aged.ids[..1], &aged.ids[2..]].concat());
    aged.restores(&aged.site, 0)?;
    run_commands(&[last], place.path(), &environment)?;
    assert!(aged.site.objects(&aged.ids[1])?.is_empty());
    aged.restores(&aged.site, 3)
}
