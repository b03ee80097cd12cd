//! What a cluster is called in a repository.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest cluster name; keeps every envelope within its 650 bytes.
pub const MAX_CLUSTER_NAME: usize = 63;

/// The name under which a cluster's backups are kept: `[a-z0-9][a-z0-9._-]*`, at most 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

impl ClusterName {
    pub fn new(text: impl Into<String>) -> Result<ClusterName, InvalidClusterName> {
        let text = text.into();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if first && text.len() <= MAX_CLUSTER_NAME && text.bytes().all(plain) {
            Ok(ClusterName(text))
        } else {
            Err(InvalidClusterName(text))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClusterName {
    type Error = InvalidClusterName;
    fn try_from(text: String) -> Result<Self, InvalidClusterName> {
        ClusterName::new(text)
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> String {
        name.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a cluster name: 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit")]
pub struct InvalidClusterName(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for text in ["", "-a", "A", "a/b", ".."] {
            assert!(ClusterName::new(text).is_err(), "{text}");
        }
    }
}
