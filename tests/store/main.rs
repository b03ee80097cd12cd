//! One suite that every store passes: the local one, S3, one in memory that stands for what a store promises,
//! and stores below layers that count calls and let them fail.

mod layers;
mod local;
mod memory;
mod panics;
mod repository;
mod s3;
mod suite;
