//! Bytes out of PostgreSQL.

pub mod data_directory;
mod error;

pub use data_directory::{
    Attributes, DataDirectory, Entry, Item, Kind, Notice, Skipped, Tablespace, Walk, read_control_file,
};
pub use error::{Error, Result};
