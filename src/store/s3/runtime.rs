//! The runtime that object_store works on: one for the process, made when the first repository on S3 is opened.
//! The other rooms are synchronous, so every operation waits here.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// Connections are driven, and their bytes encrypted, on these.
const THREADS: usize = 2;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

pub(super) fn start() -> io::Result<Handle> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("s3").enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| runtime).handle().clone())
}
