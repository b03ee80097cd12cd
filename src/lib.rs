//! pgcairn: encrypted PostgreSQL backups, WAL archiving and point-in-time recovery.
//!
//! The rooms and the one way through them are drawn in `ARCHITECTURE.md`; a test holds the imports
//! against it. Data goes one way: outward `source -> codec -> store`, inward `store -> codec -> sink`.

#![forbid(unsafe_code)]

pub mod cli;
pub mod codec;
pub mod config;
pub mod flow;
pub mod model;
pub mod notify;
pub mod operation;
pub mod postgres;
pub mod report;
pub mod sink;
pub mod source;
pub mod store;
