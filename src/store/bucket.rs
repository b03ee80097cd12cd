//! What a bucket does by itself with the objects in it: keeps their versions, locks them, expires or moves them.

/// Each as far as the store tells it to these credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub versions: Told<Versions>,
    pub lock: Told<BucketLock>,
    /// Rules that reach objects of the repository, and what each does to them.
    pub lifecycle: Told<Vec<Rule>>,
}

/// A store may lack the call, and credentials the right to ask: neither is a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    Known(T),
    NotKnown(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    Kept,
    /// They were once; what is overwritten now is gone.
    Suspended,
    NotKept,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketLock {
    Off,
    /// With what every object gets that asks for nothing else, such as `GOVERNANCE, 30 days`.
    On {
        usual: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: String,
    pub effect: Effect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Expires,
    /// To another storage class.
    Moves(String),
    /// What was overwritten or deleted is gone this many days later.
    DropsVersions {
        days: u32,
    },
}
