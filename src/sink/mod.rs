//! Bytes into place.

pub mod comparison;
mod error;
mod replacement;
pub mod target_directory;

pub use error::SinkError;
pub use replacement::{BY_UMASK, Durability, PRIVATE, Replacement, replace, sync_directory};
pub use target_directory::{TargetDirectory, TargetFile};
