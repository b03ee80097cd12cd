//! Events -> terminal, JSON. Operations never print.
