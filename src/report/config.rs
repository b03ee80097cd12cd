//! What the `config` commands say.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::Report;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigCheck {
    pub file: Option<PathBuf>,
    pub cluster: String,
    pub next: String,
}

impl Report for ConfigCheck {
    const NAME: &'static str = "config-check";

    fn human(&self) -> String {
        format!("{} is usable (cluster {})\n", file(&self.file), self.cluster)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

/// Every setting that counts, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigShow {
    pub file: Option<PathBuf>,
    pub settings: Vec<Shown>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    pub key: String,
    /// As JSON: a string, a number, a list, or null where nothing is set.
    pub value: Value,
    pub is_default: bool,
}

impl Report for ConfigShow {
    const NAME: &'static str = "config-show";

    fn human(&self) -> String {
        let line = |shown: &Shown| {
            let origin = if shown.is_default { "  # default" } else { "" };
            format!("{} = {}{origin}\n", shown.key, shown.value)
        };
        let heading = format!("# {}\n", file(&self.file));
        heading + &self.settings.iter().map(line).collect::<String>()
    }
}

/// The schema itself: no word of ours around it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Schema(pub Value);

impl Report for Schema {
    const NAME: &'static str = "config-schema";
    const NAMED: bool = false;

    fn human(&self) -> String {
        format!("{:#}\n", self.0)
    }
}

fn file(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or_else(|| "the command line".to_owned(), |path| path.display().to_string())
}
