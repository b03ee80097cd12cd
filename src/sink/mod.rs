//! Bytes into place.
