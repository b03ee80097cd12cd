//! A logical dump into a server: a database under a name of its own until all of it is there,
//! or one transaction in a database that is there.

mod copy_in;
mod database;
mod globals;
mod programs;
mod there;
mod transaction;

pub use copy_in::CopyIn;
pub use database::{NewDatabase, literal};
pub use programs::{Loading, Owners};
pub use there::{ForeignKey, LiveObject, ThereDatabase};
pub use transaction::LoadTransaction;
