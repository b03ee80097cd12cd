//! Directories: what lies in them, and whether it is the same in another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Outcome;

/// Files below it by their path from there.
pub fn files(root: &Path) -> Outcome<BTreeMap<String, PathBuf>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.display().to_string();
            match path.is_dir() {
                true => open.push(path),
                false => drop(found.insert(name, path)),
            }
        }
    }
    Ok(found)
}

/// Every file of `root` that `matters` lies in `other` with the same content.
pub fn holds(other: &Path, root: &Path, matters: impl Fn(&str) -> bool) -> Outcome {
    for (name, path) in files(root)?.into_iter().filter(|(name, _)| matters(name)) {
        let there = fs::read(other.join(&name)).map_err(|error| format!("{name} in {}: {error}", other.display()))?;
        if there != fs::read(&path)? {
            return Err(format!("{name} in {} is another than in {}", other.display(), root.display()).into());
        }
    }
    Ok(())
}

/// Backups with a commit marker in this repository.
pub fn committed(repository: &Path) -> Outcome<Vec<String>> {
    let marker = |name: &String| {
        let (_, file) = name.split_once("/backups/")?;
        Some(file.strip_suffix(".json")?.to_owned())
    };
    Ok(files(repository)?.keys().filter_map(marker).collect())
}
