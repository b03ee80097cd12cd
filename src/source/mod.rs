//! Bytes out of PostgreSQL.

mod cache;
pub mod data_directory;
mod error;
mod page_checks;
mod slice_reader;

pub use data_directory::{Attributes, DataDirectory, Entry, Item, Kind, Notice, Tablespace, Walk, read_control_file};
pub use error::{Error, Result};
pub use page_checks::PageChecks;
pub use slice_reader::{CHUNK, SliceFile, SliceReader};
