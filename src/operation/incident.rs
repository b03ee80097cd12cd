//! `help incident`: what to do, with the names that the configuration has where it can be read. Nothing is asked.

use std::path::Path;

use crate::config::Config;
use crate::model::error::{Error, Result};
use crate::report::incident::{Incident, Names};

pub fn page(config: Result<Config>) -> Incident {
    match config {
        Ok(config) => Incident::new(&names(&config), None),
        Err(Error { message, .. }) => Incident::new(&Names::default(), Some(message)),
    }
}

fn names(config: &Config) -> Names {
    let data_dir = config.postgres.as_ref().map(|postgres| postgres.data_dir.clone());
    let usual = Names::default();
    Names {
        commands: config.command_line(),
        cluster: config.name.as_ref().map_or(usual.cluster, ToString::to_string),
        repositories: config.repositories().map(|one| (one.name.clone(), one.url.to_string())).collect(),
        major: data_dir.as_deref().and_then(major).unwrap_or(usual.major),
        data_dir: data_dir.unwrap_or(usual.data_dir),
        is_encrypted: !config.recipients.is_empty(),
    }
}

/// Whoever may not look into the data directory is told of no number.
fn major(data_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data_dir.join("PG_VERSION")).ok()?;
    text.trim().parse::<u32>().ok().map(|major| major.to_string())
}
