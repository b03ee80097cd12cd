//! Tablespaces that are not to lie where they lay.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::flow::stream_reader::StreamReader;
use crate::model::dump::{Stream, with_tablespaces_at};
use crate::model::error::{Code, Error, Result};
use crate::operation::failure::cannot;

/// Roles and tablespaces are read as a whole: a hundred thousand roles.
const MAX_GLOBALS: u64 = 64 << 20;

/// What the stream says, with each tablespace in a new directory below `directory`.
pub fn read(streams: &StreamReader<'_>, globals: &Stream, directory: &Path) -> Result<Vec<u8>> {
    if globals.bytes > MAX_GLOBALS {
        let message = format!("the dump's roles are {} bytes, and {MAX_GLOBALS} are read at most", globals.bytes);
        return Err(Error::new(Code::Refused, message).hint("restore it by hand: docs/dump.md"));
    }
    let mut text = Vec::new();
    streams.read(globals, |bytes| -> Result<()> {
        text.extend_from_slice(bytes);
        Ok(())
    })?;
    let place = |number: usize| directory.join(number.to_string());
    let (text, number) = with_tablespaces_at(&text, |number| place(number).to_string_lossy().into_owned());
    for path in (1..=number).map(place) {
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| cannot("create", path.display(), error))?;
    }
    Ok(text)
}
