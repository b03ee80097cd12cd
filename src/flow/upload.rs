//! Puts sealed objects while the workers fill the next ones, so that waiting for the disk costs no
//! worker its time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::caught::caught;
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
pub struct Putters<'a> {
    creator: &'a Creator,
    queue: Mutex<Receiver<Upload>>,
    failed: &'a AtomicBool,
    done: Mutex<Vec<ObjectLine>>,
}

/// A rendezvous queue: each putter holds at most one object.
pub fn uploads<'a>(creator: &'a Creator, failed: &'a AtomicBool) -> (Uploads<'a>, Putters<'a>) {
    let (sender, receiver) = sync_channel(0);
    let queue = Mutex::new(receiver);
    (Uploads { queue: sender, failed }, Putters { creator, queue, failed, done: Mutex::new(Vec::new()) })
}

impl Putters<'_> {
    /// Puts objects until every [`Uploads`] is gone. After a failure the queue is still emptied, so that
    /// no worker waits for a putter that has given up.
    pub fn run(&self) -> Result<(), OutwardError> {
        let mut result = Ok(());
        while let Some(upload) = self.next() {
            if self.failed.load(Ordering::Acquire) {
                continue;
            }
            match caught(|| put(self.creator, upload)) {
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
    pub fn into_objects(self) -> Vec<ObjectLine> {
        let mut objects = self.done.into_inner().unwrap_or_else(|e| e.into_inner());
        objects.sort();
        objects
    }
}

/// Names are fresh for every backup: an object that exists is somebody else's and an error.
fn put(creator: &Creator, upload: Upload) -> Result<ObjectLine, OutwardError> {
    let sha256 = Sha256Sum::of(&upload.bytes);
    let size = upload.bytes.len() as u64;
    creator.create_bytes(&upload.key, upload.bytes.into(), sha256)?;
    Ok(ObjectLine { key: upload.key, size, sha256 })
}
