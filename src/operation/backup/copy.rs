//! The copy itself: the pipes run beside a watch that keeps the session alive, shows progress, and ends
//! the copy early when the backup can no longer be completed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Prepared;
use super::wal_arrival::FirstSegment;
use crate::flow::caught::Panicked;
use crate::flow::memory::{Share, share};
use crate::flow::outward::{Content, Copied, Outward};
use crate::flow::part_writer::{Numbers, PartContext};
use crate::flow::throttle::Throttle;
use crate::flow::workers::lower_priority;
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::model::lsn::Lsn;
use crate::model::manifest::Directory;
use crate::operation::Context;
use crate::postgres::BackupSession;
use crate::report::{Listener, Phase, Progress};
use crate::source::PageChecks;
use crate::store::Creator;

/// How often the watch looks.
const WATCH: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_secs(30);

pub struct Copy<'a> {
    context: &'a Context,
    prepared: &'a Prepared,
    creator: Creator,
    share: Share,
    checks: PageChecks,
    numbers: Numbers,
    seed: u64,
    stop: Interrupt,
    read: AtomicU64,
    throttle: Throttle,
}

impl<'a> Copy<'a> {
    pub fn new(context: &'a Context, prepared: &'a Prepared, start: Lsn) -> Copy<'a> {
        Copy {
            context,
            prepared,
            creator: prepared.opened.repository.creator(),
            share: share(context.config.backup.jobs()),
            checks: PageChecks::new(prepared.directory.control_file(), start),
            numbers: Numbers::default(),
            seed: rand::random(),
            stop: Interrupt::default(),
            read: AtomicU64::new(0),
            throttle: Throttle::new(context.config.backup.max_rate),
        }
    }

    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    fn outward(&self) -> Outward<'_> {
        let Prepared { id, opened, sealer, directory, .. } = self.prepared;
        let context = PartContext {
            backup: id,
            keys: &opened.keys,
            sealer,
            numbers: &self.numbers,
            seed: self.seed,
            level: self.context.config.backup.compression,
            pack_limit: self.share.pack_limit,
        };
        Outward {
            context,
            creator: &self.creator,
            directory,
            checks: self.checks,
            jobs: self.share.jobs,
            interrupt: &self.stop,
            read: &self.read,
            throttle: &self.throttle,
        }
    }

    /// Copies the data directory while the session is watched.
    pub fn run(&self, session: &mut BackupSession, prepared: &Prepared, listener: &dyn Listener) -> Result<Copied> {
        let first_segment = FirstSegment::request(session, prepared)?;
        let outward = self.outward();
        std::thread::scope(|scope| {
            let copy = scope.spawn(|| {
                lower_priority();
                outward.directory()
            });
            let watched = self.watch(session, first_segment, listener, &|| copy.is_finished());
            if watched.is_err() {
                self.stop.raise();
            }
            let copied = copy.join().map_err(|_| Panicked);
            watched?;
            Ok(copied??)
        })
    }

    fn watch(
        &self,
        session: &mut BackupSession,
        mut first_segment: FirstSegment<'_>,
        listener: &dyn Listener,
        finished: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut heartbeat = Instant::now();
        while !finished() {
            std::thread::sleep(WATCH);
            self.context.interrupt.check()?;
            if heartbeat.elapsed() >= HEARTBEAT {
                session.heartbeat()?;
                heartbeat = Instant::now();
            }
            first_segment.check(session, self.context)?;
            let bytes_done = self.read.load(Ordering::Relaxed);
            // What is not copied counts in the size too, and what grew does not.
            let bytes_total = self.prepared.data_size.map(|size| size.max(bytes_done));
            listener.progress(Progress { bytes_done, bytes_total, ..Progress::new(Phase::Copying) });
        }
        Ok(())
    }

    /// Adds files from memory.
    pub fn contents(&self, directories: Vec<Directory>, contents: Vec<Content>) -> Result<Copied> {
        Ok(self.outward().contents(directories, contents)?)
    }
}
