//! Words out to people who are not there: a ping to a service that watches for it, a request to a webhook, a program.
//! What is said is written elsewhere. Everything here ends within named bounds, and shows no URL: it may be a secret.

mod address;
mod command;
mod error;
mod http;
mod settings;

pub use address::{Address, Endpoint, shown};
pub use command::run;
pub use error::{NotifyError, What};
pub use http::{Post, post};
pub use settings::{Format, NAMES, Settings, Webhook};

use std::time::Duration;

/// What this machine is called.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Most bytes of a text: services cut longer ones, and so much fits into a pipe that nobody reads.
pub const MAX_TEXT: usize = 3 << 10;

/// Longer than anything here takes, name servers that do not answer excepted.
pub const LONGEST: Duration = Duration::from_secs(12);

const _: () = assert!(MAX_TEXT < PIPE_BUFFER);
const _: () = assert!(http::LONGEST.as_millis() < LONGEST.as_millis());
const _: () = assert!(command::PATIENCE.as_millis() < LONGEST.as_millis());

/// What a pipe takes at least (`PIPE_BUF`).
const PIPE_BUFFER: usize = 4 << 10;
