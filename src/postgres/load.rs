//! A logical dump into a server: a database under a name of its own until all of it is there,
//! or one transaction in a database that is there.

mod copy_in;
mod database;
mod existing;
mod globals;
mod ledger;
mod programs;
mod transaction;
mod unfinished;

pub use copy_in::CopyIn;
pub use database::{NewDatabase, Publication, literal};
pub use existing::{ExistingDatabase, ForeignKey, LiveObject};
pub use ledger::Ledger;
pub use programs::{Loading, Owners, Section};
pub use transaction::LoadTransaction;
pub use unfinished::{Left, Purpose, Step, Unfinished};
