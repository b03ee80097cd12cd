//! Bytes into place.

pub mod target_directory;
pub mod wal_file;

pub use target_directory::{SinkError, TargetDirectory, TargetFile};
