//! Bytes out of PostgreSQL.

pub mod data_directory;
pub mod error;

pub use error::{Error, Result};
