//! Who may read local repositories besides their owner.

/// Its members may try a restore without being the owner, and record their drills.
pub const READERS_GROUP: &str = "pgcairn";
