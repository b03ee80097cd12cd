//! Expiry against its promises, on a store in memory with a clock of its own: every call fails once, other work
//! comes between any two calls, and random lives of a repository go through it all.

#[path = "../store/layers.rs"]
mod layers;
#[path = "../store/memory.rs"]
mod memory;
mod random;
mod steps;
mod world;
