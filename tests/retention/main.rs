//! Expiry against its promises, on a store in memory with a clock of its own: every call fails once, other work
//! comes between any two calls, and random lives of a repository, of one host and of two at once that copy to another
//! repository, go through it all.

mod copied;
mod dumps;
mod gate;
#[path = "../store/layers.rs"]
mod layers;
mod maker;
#[path = "../store/memory.rs"]
mod memory;
mod random;
mod steps;
mod two_hosts;
mod world;
