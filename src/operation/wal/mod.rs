//! The WAL archive: what PostgreSQL calls, and what people look at.

pub mod archive;
pub mod fetch;
pub mod flush;
pub mod list;
pub mod push;
