//! The result as a page: begun before the work, for who waited for hours is not to lose it.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::report::Listener;
use crate::report::drill::{Drill, page};
use crate::sink::{BY_UMASK, Durability, Replacement, SinkError};

pub struct Page {
    path: PathBuf,
    file: Replacement,
}

impl Page {
    /// What is there stays until the result takes its place.
    pub fn begin(path: &Path) -> Result<Page> {
        let file = Replacement::begin(path, BY_UMASK).map_err(|error| unwritable(path, &error.source))?;
        Ok(Page { path: path.to_owned(), file })
    }

    /// The result stands without it.
    pub fn finish(self, drill: &Drill, listener: &dyn Listener) {
        let Page { path, mut file } = self;
        let written = file.write_all(page(drill).as_bytes()).map_err(|error| unwritable(&path, &error));
        let finish = |()| file.finish(Durability::Now).map_err(|error: SinkError| unwritable(&path, &error.source));
        if let Err(error) = written.and_then(finish) {
            listener.warning(Error { code: Code::Flagged, ..error });
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("{} cannot be written: {error}", path.display()))
        .hint("name a file in a directory that this user may write to")
}
