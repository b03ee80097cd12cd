//! The stored bytes of a backup moved to the store and back, with nothing else done to them: what it costs to have
//! them there at all.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pgcairn::model::key::Key;
use pgcairn::store::{Backend, S3Backend};

use super::Store;
use crate::measure::{Measured, cpu_of};
use crate::support::Outcome;

const PREFIX: &str = "plain";

/// All of them put, then all of them read, by as many connections as a backup has on this machine.
pub fn moved(store: &Store, files: &[PathBuf]) -> Outcome<(Measured, Measured)> {
    store.forget(PREFIX);
    let backend = S3Backend::open(&store.settings(PREFIX))?;
    let put = |number: usize| -> Outcome { Ok(backend.create(&key(number)?, &mut File::open(&files[number])?)?) };
    let get = |number: usize| -> Outcome {
        Ok(std::io::copy(&mut backend.get(&key(number)?)?, &mut std::io::sink()).map(drop)?)
    };
    let put = store.serving(|| each(files.len(), put))?;
    let get = store.serving(|| each(files.len(), get))?;
    store.forget(PREFIX);
    Ok((put, get))
}

fn key(number: usize) -> Outcome<Key> {
    Ok(Key::new(format!("packs/{number}"))?)
}

fn each(count: usize, work: impl Fn(usize) -> Outcome + Sync) -> Outcome<Measured> {
    let (next, cores) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(1, usize::from));
    let (start, before) = (Instant::now(), cpu_of(std::process::id())?);
    let run = || -> Outcome {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                number if number < count => work(number)?,
                _ => return Ok(()),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Measured { seconds, whole: seconds, cpu: cpu_of(std::process::id())? - before, ..Measured::default() })
}
