//! TLS of our own sessions, by rustls: how much a server has to prove, with which certificates, and what is said where it
//! does not.

mod certificates;
mod encryption;
mod end_point;
mod refusal;
mod stream;
mod verifier;

pub use encryption::{Encryption, MODES, Network};
pub use refusal::refusal;
pub use stream::Tls;

pub use certificates::Certificates;
