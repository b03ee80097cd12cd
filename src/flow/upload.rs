//! Puts sealed objects while the workers fill the next ones, so that waiting for the disk costs no
//! worker its time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;

use super::caught::{Panicked, caught};
use super::part_writer::OutwardError;
use crate::model::catalog::ObjectLine;
use crate::model::key::Key;
use crate::model::sha256::Sha256Sum;
use crate::store::Creator;

/// A sealed object on its way.
pub struct Upload {
    pub key: Key,
    pub bytes: Vec<u8>,
}

/// The workers' end of the queue, which holds no object of its own: a worker waits until a putter
/// takes what it has.
pub struct Uploads<'a> {
    queue: SyncSender<Upload>,
    failed: &'a AtomicBool,
}

/// An object could not be put; the putter's error says why.
pub struct Ended;

impl Uploads<'_> {
    pub fn send(&self, upload: Upload) -> Result<(), Ended> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Ended);
        }
        self.queue.send(upload).map_err(|_| Ended)
    }
}

/// The putters' end of the queue.
struct Putters<'a> {
    /// Every object goes to each of them.
    creators: &'a [Creator],
    queue: Mutex<Receiver<Upload>>,
    failed: &'a AtomicBool,
    done: Mutex<Vec<ObjectLine>>,
}

/// Runs `work` beside putters, which end when `work` has dropped its uploads. What was put comes back by key.
pub fn with_putters<T>(
    creators: &[Creator],
    putters: usize,
    work: impl FnOnce(Uploads<'_>) -> Result<T, OutwardError>,
) -> Result<(T, Vec<ObjectLine>), OutwardError> {
    let failed = AtomicBool::new(false);
    // A rendezvous queue: each putter holds at most one object.
    let (sender, receiver) = sync_channel(0);
    let uploads = Uploads { queue: sender, failed: &failed };
    let putter = Putters { creators, queue: Mutex::new(receiver), failed: &failed, done: Mutex::new(Vec::new()) };
    let (worked, put) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..putters.max(1)).map(|_| scope.spawn(|| putter.run())).collect();
        let worked = caught(|| work(uploads));
        let mut joined = threads.into_iter().map(|thread| thread.join());
        let put: Result<(), OutwardError> = joined.try_for_each(|put| put.map_err(|_| Panicked)?);
        (worked, put)
    });
    // The store's own error is the cause of what the workers report.
    put?;
    Ok((worked?, putter.into_objects()))
}

impl Putters<'_> {
    /// Puts objects until every [`Uploads`] is gone. After a failure the queue is still emptied, so that
    /// no worker waits for a putter that has given up.
    fn run(&self) -> Result<(), OutwardError> {
        let mut result = Ok(());
        while let Some(upload) = self.next() {
            if self.failed.load(Ordering::Acquire) {
                continue;
            }
            match caught(|| put(self.creators, upload)) {
                Ok(line) => self.done.lock().unwrap_or_else(|e| e.into_inner()).push(line),
                Err(error) => {
                    self.failed.store(true, Ordering::Release);
                    result = Err(error);
                }
            }
        }
        result
    }

    fn next(&self) -> Option<Upload> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner()).recv().ok()
    }

    /// What was put, by key.
    fn into_objects(self) -> Vec<ObjectLine> {
        let mut objects = self.done.into_inner().unwrap_or_else(|e| e.into_inner());
        objects.sort();
        objects
    }
}

/// Names are fresh for every backup: an object that exists is somebody else's and an error.
fn put(creators: &[Creator], upload: Upload) -> Result<ObjectLine, OutwardError> {
    let sha256 = Sha256Sum::of(&upload.bytes);
    let size = upload.bytes.len() as u64;
    let bytes = Bytes::from(upload.bytes);
    creators.iter().try_for_each(|creator| creator.create_bytes(&upload.key, bytes.clone(), sha256))?;
    Ok(ObjectLine { key: upload.key, size, sha256 })
}
