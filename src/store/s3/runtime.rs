//! The runtime that object_store works on: one for the process, made when the first repository on S3 is opened.
//! The other rooms are synchronous, so every operation waits here; a signal that asks the run to end ends the wait.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::{Either, select};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::model::interrupt::Interrupt;

/// Connections are driven, and their bytes encrypted, on these.
const THREADS: usize = 2;

/// How soon a signal is noticed.
const LOOK: Duration = Duration::from_millis(100);

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

pub(super) fn start() -> io::Result<Handle> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("s3").enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| runtime).handle().clone())
}

/// The wish of the process to end, where somebody watches signals.
static INTERRUPT: OnceLock<Interrupt> = OnceLock::new();

/// From here on no wait for a store outlasts the signal. The first caller counts.
pub fn end_waits_at(interrupt: &Interrupt) {
    let _ = INTERRUPT.set(interrupt.clone());
}

/// The end of some work, or `None` when a signal came first.
pub(super) fn wait<T>(handle: &Handle, work: impl Future<Output = T>) -> Option<T> {
    let Some(interrupt) = INTERRUPT.get() else { return Some(handle.block_on(work)) };
    let raised = async {
        while !interrupt.is_raised() {
            tokio::time::sleep(LOOK).await;
        }
    };
    handle.block_on(async {
        match select(pin!(work), pin!(raised)).await {
            Either::Left((end, _)) => Some(end),
            Either::Right(_) => None,
        }
    })
}
