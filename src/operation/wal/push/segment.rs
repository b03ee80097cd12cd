//! A segment on its way into the archive: checked, digested and compressed in one pass.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;

use super::target::Pushed;
use super::{MAX_IN_MEMORY, Prepared};
use crate::codec::FrameCompressor;
use crate::model::envelope::WalFacts;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Kind;
use crate::model::lsn::Lsn;
use crate::model::sha256::Sha256Sum;
use crate::model::wal::{Break, Crossing, PageError, Record, SegmentScan, SegmentScanner, WalFormat, WalIdentity};
use crate::model::wal_name::{Segment, SegmentName, WalName};
use crate::operation::failure::cannot;

/// Read, checked and compressed at once; a whole number of WAL pages of any size.
const CHUNK: usize = 1024 * 1024;

pub fn prepare(pushed: &Pushed, level: i32) -> Result<Prepared> {
    let (name, partial) = match pushed.name {
        WalName::Partial(name) => (name, true),
        WalName::Segment(name) => (name, false),
        _ => return Err(Error::new(Code::Internal, format!("{} is not a segment", pushed.name))),
    };
    let identity = identity(pushed)?;
    let segment = segment(name, pushed)?;
    let mut pass = Pass::new(level, identity, segment)?;
    pass.read(pushed)?;
    let mut scan = pass.scanner.finish();
    check_crossing(pushed, identity, &mut scan);
    // The rest of a partial segment is whatever the file held before: a break is to be expected.
    let invalid_from = scan.broken.as_ref().map(|broken| broken.at).filter(|_| !partial);
    let facts = WalFacts {
        sha256: Sha256Sum(pass.sha256.finalize().into()),
        length: pushed.size,
        compressed: pass.compressed_length,
        system_identifier: pushed.control.system_identifier,
        first_commit: scan.times.and_then(|times| times.least.to_jiff()),
        last_commit: scan.times.and_then(|times| times.greatest.to_jiff()),
        invalid_from,
    };
    Ok(Prepared { kind: Kind::Wal, facts, compressed: pass.compressed })
}

fn identity(pushed: &Pushed) -> Result<WalIdentity> {
    let major = pushed.control.major;
    let format = WalFormat::of_major(major)
        .ok_or_else(|| Error::new(Code::Refused, format!("PostgreSQL {major} is not supported, 14 to 19 are")))?;
    let system_identifier = Some(pushed.control.system_identifier);
    Ok(WalIdentity { format, system_identifier, segment_size: pushed.control.wal_segment_size })
}

/// Size and name must fit the cluster.
fn segment(name: SegmentName, pushed: &Pushed) -> Result<Segment> {
    let size = pushed.control.wal_segment_size;
    if pushed.size != size {
        return Err(refused(pushed, format!("it has {} bytes, a segment of this cluster has {size}", pushed.size)));
    }
    name.to_segment(size).ok_or_else(|| refused(pushed, format!("no segment of {size} bytes has this name")))
}

fn refused(pushed: &Pushed, reason: String) -> Error {
    Error::new(Code::Refused, format!("{} is not archived: {reason}", pushed.path.display()))
        .hint("the file in pg_wal is damaged or of another cluster; look at it with pg_waldump")
}

struct Pass {
    scanner: SegmentScanner,
    identity: WalIdentity,
    segment: Segment,
    sha256: Sha256,
    compressor: FrameCompressor,
    compressed: SpooledTempFile,
    compressed_length: u64,
}

impl Pass {
    fn new(level: i32, identity: WalIdentity, segment: Segment) -> Result<Pass> {
        Ok(Pass {
            scanner: SegmentScanner::new(identity, segment),
            identity,
            segment,
            sha256: Sha256::new(),
            compressor: FrameCompressor::new(level)?,
            compressed: SpooledTempFile::new(MAX_IN_MEMORY),
            compressed_length: 0,
        })
    }

    fn read(&mut self, pushed: &Pushed) -> Result<()> {
        let (mut chunk, mut frame) = (vec![0; CHUNK], Vec::new());
        let mut at = 0;
        while at < pushed.size {
            let length = (pushed.size - at).min(CHUNK as u64) as usize;
            let chunk = &mut chunk[..length];
            pushed.file.read_exact_at(chunk, at).map_err(|e| cannot("read", pushed.path.display(), e))?;
            if at == 0 {
                self.check_first_page(pushed, chunk)?;
            }
            self.scanner.feed(chunk);
            self.sha256.update(&*chunk);
            frame.clear();
            self.compressor.compress(chunk, &mut frame)?;
            self.compressed.write_all(&frame).map_err(|e| cannot("compress", pushed.path.display(), e))?;
            self.compressed_length += frame.len() as u64;
            at += length as u64;
        }
        Ok(())
    }

    /// Another cluster's, another version's or another place's file is refused before anything is stored.
    fn check_first_page(&self, pushed: &Pushed, chunk: &[u8]) -> Result<()> {
        let start = self.segment.start(self.identity.segment_size);
        match self.identity.check_segment_start(chunk, start, self.segment.timeline) {
            Ok(_) => Ok(()),
            Err(error @ PageError::SystemIdentifier { .. }) => Err(Error::new(
                Code::ForeignCluster,
                format!("{} is of another cluster: {error}", pushed.path.display()),
            )
            .hint("look at archive_command and at [postgres] data_dir in the configuration")),
            Err(error) => Err(refused(pushed, error.to_string())),
        }
    }
}

/// The record that crosses in from the segment before can be checked while that one is still in pg_wal;
/// a restore checks it in any case.
fn check_crossing(pushed: &Pushed, identity: WalIdentity, scan: &mut SegmentScan) {
    let Some(start) = scan.crossing().filter(|_| scan.broken.is_none()) else { return };
    if let Some(found) = follow_crossing(pushed, identity, scan.segment, start) {
        scan.add_crossing(found, identity.segment_size);
    }
}

/// `None` where a segment that the record begins in is gone from pg_wal, or was recycled.
fn follow_crossing(
    pushed: &Pushed,
    identity: WalIdentity,
    last: Segment,
    start: Lsn,
) -> Option<std::result::Result<Record, Break>> {
    let directory = pushed.path.parent()?;
    let mut crossing = Crossing::new(identity, pushed.control.wal_page_size, start);
    let mut pages = vec![0; CHUNK];
    loop {
        let at = crossing.position();
        let segment = Segment::containing(last.timeline, at, identity.segment_size);
        if segment.number > last.number {
            return None;
        }
        let name = if segment == last {
            pushed.path.clone()
        } else {
            directory.join(segment.name(identity.segment_size).to_string())
        };
        let offset = at.offset_in_segment(identity.segment_size);
        let length = (identity.segment_size - offset).min(CHUNK as u64) as usize;
        File::open(name).ok()?.read_exact_at(&mut pages[..length], offset).ok()?;
        let is_there = segment == last || identity.check_page(&pages, at).is_ok();
        match crossing.feed(segment.timeline, &pages[..length]) {
            Ok(Some(record)) => return Some(Ok(record)),
            Ok(None) => {}
            Err(broken) => return is_there.then_some(Err(broken)),
        }
    }
}
