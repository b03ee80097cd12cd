//! zstd and age, push and pull; no I/O of its own.
