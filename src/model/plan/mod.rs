//! Plans: values that are computed, printed by `--plan`, then executed.
