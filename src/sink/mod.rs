//! Bytes into place.

pub mod data_directory;
pub mod wal_file;

pub use data_directory::{DataDirectory, SinkError, TargetFile};
