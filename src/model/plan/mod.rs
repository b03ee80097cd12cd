//! Plans: values that are computed, printed by `--plan`, then executed.

pub mod target;

#[cfg(test)]
mod target_tests;
