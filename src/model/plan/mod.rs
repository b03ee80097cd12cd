//! Plans: values that are computed, printed by `--plan`, then executed.

pub mod coverage;
pub mod dump_retention;
pub mod growth;
pub mod recovery_settings;
pub mod required_settings;
pub mod retention;
pub mod settings_file;
pub mod target;
#[cfg(test)]
mod target_tests;
