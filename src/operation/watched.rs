//! Long work on a thread of its own, while whoever waits is told how far it is.

use std::thread;
use std::time::Duration;

use crate::flow::caught::Panicked;
use crate::report::{Listener, Progress};

const INTERVAL: Duration = Duration::from_millis(100);

pub fn watched<T: Send, E: From<Panicked> + Send>(
    listener: &dyn Listener,
    progress: impl Fn() -> Progress,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    thread::scope(|scope| {
        let work = scope.spawn(work);
        while !work.is_finished() {
            thread::sleep(INTERVAL);
            listener.progress(progress());
        }
        work.join().map_err(|_| Panicked)?
    })
}
