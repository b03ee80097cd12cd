//! One restore at a time into one directory: a second one would clear away what the first has written.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::model::error::{Code, Error, Result};
use crate::operation::failure::cannot;

/// Locks an existing directory until the value is dropped or the process ends.
pub fn lock(directory: &Path) -> Result<File> {
    let failed = |e: std::io::Error| cannot("lock", directory.display(), e);
    let file = File::open(directory).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // NFS locks no directories.
        Ok(()) | Err(Errno::BADF | Errno::NOLCK | Errno::OPNOTSUPP) => Ok(file),
        Err(Errno::WOULDBLOCK) => {
            Err(Error::new(Code::Refused, format!("another restore into {} is at work", directory.display()))
                .hint("wait for its end, or restore into another directory: --target-dir DIR, --tablespace OLD=NEW"))
        }
        Err(error) => Err(failed(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();
        assert_eq!(lock(directory.path()).unwrap_err().code, Code::Refused);
        drop(held);
        lock(directory.path()).unwrap();
    }
}
