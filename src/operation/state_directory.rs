//! Where this host keeps small files of its own. No command fails for want of it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::model::shell_word::shell_word;

const MODE: u32 = 0o700;

/// One of those of the configured cluster.
pub fn file(config: &Config, name: &str) -> PathBuf {
    let cluster = config.name.as_ref().map(ToString::to_string).unwrap_or_default();
    config.state_directory().join(format!("{cluster}.{name}"))
}

pub fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(directory)
}

/// For who cannot make it, or write to it.
pub fn hint(directory: &Path) -> String {
    let directory = shell_word(&directory.to_string_lossy());
    format!("make it for whoever runs pgcairn: sudo install -d -m 0700 -o postgres {directory}; or set state_dir")
}
