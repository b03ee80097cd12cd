//! The live server: one connection, its settings, the backup session.

mod archiver;
mod archiving;
mod backup_session;
mod cluster;
mod connection;
pub mod counted_commit;
mod dump;
mod endpoint;
mod environment;
mod failure;
mod installation;
mod live_database;
mod load;
mod parameters;
mod password;
mod program;
mod reach;
mod relation_names;
mod rights;
mod row_session;
mod scratch_server;
pub mod server_log;
mod settings;
mod slots;
mod surroundings;
mod timeouts;
mod tls;
mod user_tables;
mod wal;

pub use archiver::ArchiverFailure;
pub use archiving::{calls_push, check_archiving};
pub use backup_session::{BackupSession, MAX_LABEL, Start, Stop};
pub use cluster::check_cluster;
pub use connection::{Connection, ServerVersion};
pub use dump::{
    Archive, ClientPrograms, CopyOut, DumpServer, DumpedDatabase, HeldSnapshot, LargeTable, MAX_LOCK_TIMEOUT, Manner,
    Need, Snapshot, Tables,
};
pub use environment::{Database, Environment, Extension};
pub use failure::Failure;
pub use installation::{Installation, minor_of};
pub use live_database::{LiveDatabase, Script};
pub use load::{
    CopyIn, ExistingDatabase, ForeignKey, Ledger, Left, LiveObject, LoadTransaction, Loading, NewDatabase, Owners,
    Publication, Purpose, Section, Step, Unfinished, literal,
};
pub use program::Program;
pub use reach::Reach;
pub use relation_names::RelationNames;
pub use rights::check_rights;
pub use row_session::COUNTED_AT_ONCE;
pub use scratch_server::{End, LONGEST_SILENCE, Launch, MAX_ROOM, Origin, Room, ScratchServer, USUAL_SUPERUSER};
pub use settings::{ArchiveMode, Settings, TablespaceLocation};
pub use slots::InactiveSlot;
pub use surroundings::{ChangedCollation, Surroundings, surroundings};
pub use user_tables::{DATABASES, RELATIONS, ServerTables, UserTable, size_and_rows, user_tables};
pub use wal::MAX_RESTORE_POINT;
