//! Bytes out of PostgreSQL.
