//! By which this host is told from others in a repository that others may read: nothing of it can be found out from that.

use crate::model::sha256::Sha256Sum;
use crate::notify::host_name;

/// systemd makes it once for each installation.
const MACHINE_ID: &str = "/etc/machine-id";

/// Another one in each repository.
pub fn mark(repository_id: &str) -> Sha256Sum {
    let id = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
    let id = if id.trim().is_empty() { host_name() } else { id.trim().to_owned() };
    Sha256Sum::of(format!("pgcairn 1 host\n{repository_id}\n{id}\n").as_bytes())
}
