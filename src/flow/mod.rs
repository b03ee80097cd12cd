//! The only threads and channels: outward and inward pipelines, N straight pipes under one memory budget.

pub mod caught;
pub mod in_time;
pub mod inward;
mod listed;
pub mod memory;
pub mod outward;
mod pack_reader;
mod pack_writer;
pub mod part_writer;
pub mod stream_reader;
pub mod stream_writer;
pub mod throttle;
pub mod upload;
pub mod workers;
