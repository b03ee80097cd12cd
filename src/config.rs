//! The configuration: read and checked once, passed by value.
