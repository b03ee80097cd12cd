//! source -> codec -> store: N straight pipes. One thread walks the data directory and hands out
//! batches in the order of paths; each worker reads, checks, digests, compresses and seals what it
//! takes; as many putters make the sealed objects durable meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::caught::{Panicked, caught};
use super::part_writer::{OutwardError, PartContext, PartWriter};
use super::throttle::Throttle;
use super::upload::{Uploads, uploads};
use crate::model::catalog::{FlaggedPage, MAX_FLAGGED_PAGES, ObjectLine};
use crate::model::interrupt::Interrupt;
use crate::model::manifest::{Directory, FileSlice, Link, MAX_FRAME, MAX_SLICE, Mode, Slice};
use crate::model::path::RelPath;
use crate::model::relation::RelationFile;
use crate::source::data_directory::{DataDirectory, Entry, Item, Kind, Notice};
use crate::source::{PageChecks, SliceReader};
use crate::store::Creator;

/// A batch is what a worker takes at once: enough to be worth the hand-over, little enough to share
/// the end of the work evenly.
const BATCH_BYTES: u64 = 16 * 1024 * 1024;
const BATCH_ENTRIES: usize = 256;

/// More notices than these are counted, not listed.
pub const MAX_NOTICES: usize = 1000;

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

/// What was copied, and what was tolerated on the way.
#[derive(Debug, Default)]
pub struct Copied {
    pub objects: Vec<ObjectLine>,
    pub files: u64,
    pub directories: u64,
    pub data_bytes: u64,
    pub vanished: u64,
    pub shrunk: u64,
    /// Links and special files that were left out.
    pub skipped: u64,
    pub flagged_count: u64,
    pub flagged: Vec<(RelationFile, FlaggedPage)>,
    pub notices: Vec<Notice>,
}

impl Copied {
    pub fn merge(&mut self, other: Copied) {
        self.objects.extend(other.objects);
        self.files += other.files;
        self.directories += other.directories;
        self.data_bytes += other.data_bytes;
        self.vanished += other.vanished;
        self.shrunk += other.shrunk;
        self.skipped += other.skipped;
        self.flagged_count += other.flagged_count;
        let room = MAX_FLAGGED_PAGES.saturating_sub(self.flagged.len());
        self.flagged.extend(other.flagged.into_iter().take(room));
        self.notices.extend(other.notices);
    }

    /// What the walk tolerated; the first [`MAX_NOTICES`] are kept.
    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Vanished { .. } => self.vanished += 1,
            Notice::LinkSkipped { .. } | Notice::SpecialSkipped { .. } => self.skipped += 1,
            Notice::LinkReplaced { .. } | Notice::TablespaceInside { .. } => {}
        }
        if self.notices.len() < MAX_NOTICES && !matches!(notice, Notice::Vanished { .. }) {
            self.notices.push(notice);
        }
    }
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

    /// Runs `work` beside putters, which end when `work` has dropped its uploads.
    fn with_putters(&self, putters: usize, work: impl FnOnce(Uploads<'_>) -> Result<Copied>) -> Result<Copied> {
        let failed = AtomicBool::new(false);
        let (queue, putter) = uploads(self.creator, &failed);
        let (worked, put) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..putters.max(1)).map(|_| scope.spawn(|| putter.run())).collect();
            let worked = caught(|| work(queue));
            let mut joined = threads.into_iter().map(|thread| thread.join());
            let put: Result<()> = joined.try_for_each(|put| put.map_err(|_| Panicked)?);
            (worked, put)
        });
        // The store's own error is the cause of what the workers report.
        put?;
        let mut copied = worked?;
        copied.objects = putter.into_objects();
        Ok(copied)
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
        let Worker { part, copied, .. } = worker?;
        caught(|| part.finish())?;
        Ok(copied)
    }
}

struct Worker<'w, 'a> {
    outward: &'w Outward<'a>,
    part: PartWriter<'w>,
    copied: Copied,
    reader: SliceReader,
}

impl<'w, 'a> Worker<'w, 'a> {
    fn new(outward: &'w Outward<'a>, uploads: &'w Uploads<'w>) -> Result<Self> {
        let part = PartWriter::new(&outward.context, uploads)?;
        Ok(Worker { outward, part, copied: Copied::default(), reader: SliceReader::new(outward.checks) })
    }

    fn batch(mut self, batch: Vec<Task>) -> Result<Self> {
        for task in batch {
            if self.outward.interrupt.is_raised() {
                return Err(OutwardError::Interrupted);
            }
            self.task(task)?;
        }
        Ok(self)
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
                self.part.link(Link { path: entry.path, target: tablespace.location })
            }
            _ => self.part.directory(Directory { path: entry.path, mode }),
        }
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
