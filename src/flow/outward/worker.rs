//! One straight pipe: takes files, reads, checks and digests them, and writes its own packs and parts.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Copied, Outward, Result, Task};
use crate::flow::part_writer::{OutwardError, PartWriter};
use crate::flow::upload::Uploads;
use crate::model::catalog::{FlaggedPage, MAX_FLAGGED_PAGES};
use crate::model::manifest::{Directory, FileSlice, Link, MAX_FRAME, Mode, Slice};
use crate::model::path::RawPath;
use crate::source::data_directory::{Entry, Kind};
use crate::source::{Error as SourceError, SliceReader};

pub(super) struct Worker<'w, 'a> {
    outward: &'w Outward<'a>,
    part: PartWriter<'w>,
    copied: Copied,
    reader: SliceReader,
}

impl<'w, 'a> Worker<'w, 'a> {
    pub(super) fn new(outward: &'w Outward<'a>, uploads: &'w Uploads<'w>) -> Result<Self> {
        let part = PartWriter::new(&outward.context, uploads)?;
        Ok(Worker { outward, part, copied: Copied::default(), reader: SliceReader::new(outward.checks) })
    }

    pub(super) fn batch(mut self, batch: Vec<Task>) -> Result<Self> {
        for task in batch {
            if self.outward.interrupt.is_raised() {
                return Err(OutwardError::Interrupted);
            }
            self.task(task)?;
        }
        Ok(self)
    }

    pub(super) fn finish(self) -> Result<Copied> {
        self.part.finish()?;
        Ok(self.copied)
    }

    fn task(&mut self, task: Task) -> Result<()> {
        let Task { entry, slice } = task;
        match entry.kind {
            Kind::Directory | Kind::Tablespace(_) => self.directory(entry),
            _ => self.file(&entry, slice),
        }
    }

    fn directory(&mut self, entry: Entry) -> Result<()> {
        self.copied.directories += 1;
        let mode = Mode(entry.attributes.mode);
        match entry.kind {
            Kind::Tablespace(tablespace) if tablespace.link.is_some() => {
                let target = self.link_target(tablespace.location)?;
                self.part.link(Link { path: entry.path, target })
            }
            _ => self.part.directory(Directory { path: entry.path, mode }),
        }
    }

    /// Of a tablespace within the data directory, as seen from pg_tblspc: it goes wherever the copy goes.
    fn link_target(&self, location: RawPath) -> Result<RawPath> {
        let data = self.outward.directory.path();
        let below =
            data.canonicalize().ok().and_then(|data| Some(location.as_path().strip_prefix(data).ok()?.to_owned()));
        let Some(below) = below else { return Ok(location) };
        let target = Path::new("..").join(below);
        Ok(RawPath::new(target.as_os_str().as_bytes()).map_err(SourceError::from)?)
    }

    fn file(&mut self, entry: &Entry, slice: Option<Slice>) -> Result<()> {
        let line = file_line(entry, slice);
        let range = line.range();
        let Some(mut file) = self.reader.open(self.outward.directory, entry, range)? else {
            self.copied.vanished += 1;
            return if slice.is_some() { self.hole(line) } else { Ok(()) };
        };
        self.part.begin_file(line);
        while let Some(chunk) = self.reader.next(&mut file)? {
            if self.outward.interrupt.is_raised() {
                return Err(OutwardError::Interrupted);
            }
            self.part.chunk(chunk)?;
            self.outward.read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            self.outward.throttle.take(chunk.len() as u64, self.outward.interrupt);
        }
        self.part.end_file()?;
        self.copied.files += u64::from(range.offset == 0);
        self.copied.data_bytes += range.length;
        self.copied.shrunk += u64::from(file.shrunk());
        self.flag(entry, file.bad_blocks());
        Ok(())
    }

    /// A piece of a file that vanished while other pieces may have been copied: zeros, so that a file is
    /// either whole in the manifest or not there. WAL replay removes it, as the server did.
    fn hole(&mut self, line: FileSlice) -> Result<()> {
        let range = line.range();
        let zeros = vec![0; MAX_FRAME.min(range.length) as usize];
        self.part.begin_file(line);
        let mut left = range.length;
        while left > 0 {
            let length = left.min(zeros.len() as u64);
            self.part.chunk(&zeros[..length as usize])?;
            left -= length;
        }
        self.part.end_file()?;
        self.copied.files += u64::from(range.offset == 0);
        self.copied.data_bytes += range.length;
        Ok(())
    }

    fn flag(&mut self, entry: &Entry, blocks: &[u64]) {
        let Kind::Relation(file) = entry.kind else { return };
        self.copied.flagged_count += blocks.len() as u64;
        let room = MAX_FLAGGED_PAGES.saturating_sub(self.copied.flagged.len());
        let page = |block: &u64| (file, FlaggedPage { path: entry.path.to_string(), block: *block });
        self.copied.flagged.extend(blocks.iter().take(room).map(page));
    }
}

fn file_line(entry: &Entry, slice: Option<Slice>) -> FileSlice {
    FileSlice {
        path: entry.path.clone(),
        size: entry.attributes.size,
        mode: Mode(entry.attributes.mode),
        mtime: entry.attributes.mtime.div_euclid(1_000_000_000),
        slice,
        extents: Vec::new(),
    }
}
