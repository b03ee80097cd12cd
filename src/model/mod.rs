//! The pure room: values and rules, no files, sockets, clocks or threads.

pub mod catalog;
pub mod command_line;
pub mod control_file;
pub mod deletion;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod interrupt;
pub mod key;
pub mod labels;
pub mod lsn;
pub mod manifest;
pub mod page;
pub mod path;
pub mod plan;
pub mod recovery_log;
pub mod relation;
pub mod selector;
pub mod sha256;
pub mod shell_word;
pub mod signature;
pub mod template;
pub mod timeline;
pub mod timestamp;
pub mod wal;
pub mod wal_name;
