//! Commit markers that are read and changed by tests.

use std::fs;
use std::path::Path;

use pgcairn::model::catalog::{Summary, format_commit_marker, parse_commit_marker};
use pgcairn::model::key::Key;

use super::site::Site;
use super::{Outcome, damage};

pub fn summary(site: &Site, path: &Path) -> Outcome<Summary> {
    let key = Key::new(path.strip_prefix(site.repository())?.to_string_lossy())?;
    Ok(parse_commit_marker(&fs::read(path)?, &key)?.summary)
}

/// Replaces a marker by one that is valid and says something else: signed, where the site has the key.
pub fn edit(site: &Site, path: &Path, change: impl FnOnce(&mut Summary)) -> Outcome {
    let mut summary = summary(site, path)?;
    change(&mut summary);
    let key = if site.signing_key().exists() { Some(site.key_that_signs()?) } else { None };
    damage::replace(path, &format_commit_marker(&summary, key.as_ref())?)
}
