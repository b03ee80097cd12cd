//! source -> codec -> store: N straight pipes. One thread walks the data directory and hands out
//! batches in the order of paths; each worker reads, checks, digests, compresses and seals what it
//! takes; as many putters make the sealed objects durable meanwhile.

mod copied;
mod worker;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::caught::{Panicked, caught};
use super::part_writer::{OutwardError, PartContext, PartWriter};
use super::throttle::Throttle;
use super::upload::{Uploads, with_putters};
use crate::model::interrupt::Interrupt;
use crate::model::manifest::{Directory, FileSlice, MAX_FRAME, MAX_SLICE, Mode, Slice};
use crate::model::path::RelPath;
use crate::source::PageChecks;
use crate::source::data_directory::{DataDirectory, Entry, Item, Kind};
use crate::store::Creator;

/// A batch is what a worker takes at once: enough to be worth the hand-over, little enough to share
/// the end of the work evenly.
const BATCH_BYTES: u64 = 16 * 1024 * 1024;
const BATCH_ENTRIES: usize = 256;

pub use copied::{Copied, MAX_NOTICES};
use worker::Worker;

type Result<T> = std::result::Result<T, OutwardError>;

/// A copy of a data directory into a repository.
pub struct Outward<'a> {
    pub context: PartContext<'a>,
    pub creator: &'a Creator,
    pub directory: &'a DataDirectory,
    pub checks: PageChecks,
    pub jobs: usize,
    /// Set from outside to end the copy early.
    pub interrupt: &'a Interrupt,
    /// Bytes read so far, for progress.
    pub read: &'a AtomicU64,
    pub throttle: &'a Throttle,
}

/// A file that is not read from the data directory: labels, the control file, configuration files.
#[derive(Debug, Clone)]
pub struct Content {
    pub path: RelPath,
    pub bytes: Vec<u8>,
    pub mode: u32,
    pub mtime: i64,
}

/// A file or a piece of one that a worker takes.
struct Task {
    entry: Entry,
    /// `None` for the whole file.
    slice: Option<Slice>,
}

impl Outward<'_> {
    /// Copies the whole directory. The control file is left to the caller, who copies it last.
    pub fn directory(&self) -> Result<Copied> {
        self.with_putters(self.jobs, |uploads| self.walk_and_work(uploads))
    }

    /// Adds directories and files from memory as a part of their own.
    pub fn contents(&self, directories: Vec<Directory>, contents: Vec<Content>) -> Result<Copied> {
        self.with_putters(1, |uploads| {
            let mut copied = Copied { directories: directories.len() as u64, ..Copied::default() };
            let mut part = PartWriter::new(&self.context, &uploads)?;
            directories.into_iter().try_for_each(|directory| part.directory(directory))?;
            for content in contents {
                copied.files += 1;
                copied.data_bytes += content.bytes.len() as u64;
                part.begin_file(content.line());
                content.bytes.chunks(MAX_FRAME as usize).try_for_each(|c| part.chunk(c))?;
                part.end_file()?;
            }
            part.finish().map(|()| copied)
        })
    }

    fn with_putters(&self, putters: usize, work: impl FnOnce(Uploads<'_>) -> Result<Copied>) -> Result<Copied> {
        let creators = std::slice::from_ref(self.creator);
        let (copied, objects) = with_putters(creators, putters, work)?;
        Ok(Copied { objects, ..copied })
    }

    fn walk_and_work(&self, uploads: Uploads<'_>) -> Result<Copied> {
        let stop = AtomicBool::new(false);
        let (sender, receiver) = sync_channel(2 * self.jobs.max(1));
        let receiver = Mutex::new(receiver);
        let work = || self.work(&receiver, &uploads, &stop);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(work)).collect();
            let walked = caught(|| self.walk(sender, &stop));
            if walked.is_err() {
                stop.store(true, Ordering::Release);
            }
            let mut copied = Copied::default();
            let mut worked = Ok(());
            for worker in workers {
                match worker.join().unwrap_or(Err(Panicked.into())) {
                    Ok(part) => copied.merge(part),
                    Err(error) => worked = worked.and(Err(error)),
                }
            }
            copied.merge(walked?);
            worked.map(|()| copied)
        })
    }

    /// Hands out batches in the order of the walk; returns what it tolerated.
    fn walk(&self, queue: SyncSender<Vec<Task>>, stop: &AtomicBool) -> Result<Copied> {
        let (mut batch, mut bytes, mut tolerated) = (Vec::new(), 0, Copied::default());
        for item in self.directory.walk()? {
            let entry = match item? {
                Item::Entry(entry) if entry.kind == Kind::ControlFile => continue,
                Item::Entry(entry) => entry,
                Item::Notice(notice) => {
                    tolerated.notice(notice);
                    continue;
                }
            };
            for task in tasks(entry) {
                bytes += task.length();
                batch.push(task);
                if bytes >= BATCH_BYTES || batch.len() >= BATCH_ENTRIES {
                    bytes = 0;
                    // Without a receiver all workers have failed; their errors are the cause.
                    if stop.load(Ordering::Acquire) || queue.send(std::mem::take(&mut batch)).is_err() {
                        return Ok(tolerated);
                    }
                }
            }
        }
        let _ = queue.send(batch);
        Ok(tolerated)
    }

    /// Takes batches until the walk ends. After a failure the queue is still emptied, so that the walk
    /// does not wait for a worker that has given up.
    fn work(&self, queue: &Mutex<Receiver<Vec<Task>>>, uploads: &Uploads<'_>, stop: &AtomicBool) -> Result<Copied> {
        let take = || queue.lock().unwrap_or_else(|e| e.into_inner()).recv().ok();
        let mut worker = caught(|| Worker::new(self, uploads));
        while let Some(batch) = take() {
            if !stop.load(Ordering::Acquire) {
                worker = worker.and_then(|worker| caught(|| worker.batch(batch)));
                stop.fetch_or(worker.is_err(), Ordering::AcqRel);
            }
        }
        let worker = worker?;
        caught(|| worker.finish())
    }
}

impl Content {
    fn line(&self) -> FileSlice {
        FileSlice {
            path: self.path.clone(),
            size: self.bytes.len() as u64,
            mode: Mode(self.mode),
            mtime: self.mtime,
            slice: None,
            extents: Vec::new(),
        }
    }
}

impl Task {
    fn length(&self) -> u64 {
        self.slice.map_or(self.entry.attributes.size, |slice| slice.length)
    }
}

/// Long files are shared among workers piece by piece.
fn tasks(entry: Entry) -> impl Iterator<Item = Task> {
    let is_file = matches!(entry.kind, Kind::File | Kind::Relation(_));
    let size = if is_file { entry.attributes.size } else { 0 };
    let whole = size <= MAX_SLICE;
    let pieces = if whole { 1 } else { size.div_ceil(MAX_SLICE) };
    (0..pieces).map(move |piece| {
        let offset = piece * MAX_SLICE;
        let slice = Slice { offset, length: MAX_SLICE.min(size - offset) };
        Task { entry: entry.clone(), slice: (!whole).then_some(slice) }
    })
}
