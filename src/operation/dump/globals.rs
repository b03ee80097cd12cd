//! Roles and tablespaces, which belong to no database.

use super::Run;
use crate::flow::stream_writer::StreamWriter;
use crate::model::dump::Stream;
use crate::model::error::{Code, Error, Result};
use crate::postgres::{Archive, Connection};

impl Run<'_> {
    /// Where the role may not see passwords, as on managed servers, without them: that is said.
    pub(super) fn globals(&self, connection: &mut Connection) -> Result<(Stream, bool)> {
        let programs = &self.prepared.programs;
        let passwords = connection.sees_passwords()?;
        if !passwords {
            let message = "the role may not read passwords, so roles are dumped without them";
            self.listener.warning(
                Error::new(Code::Flagged, message).hint("dump as a superuser, or set them anew after a restore"),
            );
        }
        let stream = self.archive(programs.globals(&connection.reach(), passwords)?)?;
        Ok((stream, passwords))
    }

    pub(super) fn archive(&self, archive: Archive) -> Result<Stream> {
        let mut writer = StreamWriter::new(&self.pieces, &self.uploads).map_err(Error::from)?;
        self.archive_into(archive, &mut writer)
    }

    pub(super) fn archive_into(&self, archive: Archive, writer: &mut StreamWriter<'_>) -> Result<Stream> {
        archive.read(&self.stop, |bytes| self.write(writer, bytes))?;
        Ok(writer.finish()?)
    }

    pub(super) fn write(&self, writer: &mut StreamWriter<'_>, bytes: &[u8]) -> Result<()> {
        let length = bytes.len() as u64;
        self.read.fetch_add(length, std::sync::atomic::Ordering::Relaxed);
        self.throttle.take(length, &self.stop);
        Ok(writer.write(bytes)?)
    }
}
