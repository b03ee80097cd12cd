//! What is read, on its way out: into pieces, counted, and no faster than allowed.

use super::Run;
use crate::flow::stream_writer::StreamWriter;
use crate::model::dump::Stream;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::postgres::Archive;

impl Run<'_> {
    /// Of a program that runs by itself.
    pub(super) fn archive(&self, archive: Archive, interrupt: &Interrupt) -> Result<Stream> {
        let mut writer = StreamWriter::new(&self.pieces, &self.uploads).map_err(Error::from)?;
        self.archive_into(archive, &mut writer, interrupt)
    }

    pub(super) fn archive_into(
        &self,
        archive: Archive,
        writer: &mut StreamWriter<'_>,
        interrupt: &Interrupt,
    ) -> Result<Stream> {
        for left_out in archive.read(interrupt, |bytes| self.write(writer, bytes))? {
            self.listener.warning(Error::new(Code::Flagged, left_out).hint("dump as a role that may read them"));
        }
        Ok(writer.finish()?)
    }

    pub(super) fn write(&self, writer: &mut StreamWriter<'_>, bytes: &[u8]) -> Result<()> {
        let length = bytes.len() as u64;
        self.read.fetch_add(length, std::sync::atomic::Ordering::Relaxed);
        self.throttle.take(length, &self.stop);
        Ok(writer.write(bytes)?)
    }
}
