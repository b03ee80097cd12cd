//! A logical dump into a server: a database under a name of its own until all of it is there.

mod copy_in;
mod database;
mod programs;

pub use copy_in::CopyIn;
pub use database::{NewDatabase, there_is};
pub use programs::{Loading, Owners};
