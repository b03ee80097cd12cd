//! The WAL archive: what PostgreSQL calls, and what people look at.

mod absence;
pub mod archived;
pub mod descents;
pub mod fetch;
pub mod flush;
pub mod histories;
pub mod list;
pub mod push;
