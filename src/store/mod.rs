//! Object stores: one small interface, split by role.
//!
//! [`Repository`] is the way in: an opened repository hands out a [`Reader`], a [`Creator`] or a [`Remover`]. Objects
//! are created once and never overwritten. [`Backend`] is what a kind of store implements; callers never
//! see it.

mod backend;
mod bucket;
mod counted;
mod error;
mod inspection;
mod local;
mod marker;
mod reader;
mod repository;
mod s3;
mod url;

pub use backend::{Backend, Entry, ReadSeek, Space, Stat};
pub use bucket::{Bucket, BucketLock, Effect, Rule, Told, Versions};
pub use error::{Error, Result};
pub use inspection::Inspection;
pub use local::{LocalBackend, TEMPORARY};
pub use marker::{FORMAT, Marker};
pub use reader::{Reader, Turned};
pub use repository::{Creator, PROBES, Remover, Repository};
pub use s3::{
    Credentials, LockMode, MAX_BUFFERED, MAX_OBJECT, ObjectLock, Patience, S3Backend, S3Settings, ServerSideEncryption,
    end_waits_at,
};
pub use url::{RepositoryUrl, endpoint, region};
