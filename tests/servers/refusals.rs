//! Refusals of docs/errors.md that need a server.
