//! The only threads and channels: outward and inward pipelines.
