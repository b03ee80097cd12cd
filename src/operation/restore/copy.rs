//! A restored copy that is to be started: what a server on it needs, found when it was restored.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Request, Start};
use crate::model::catalog::Summary;
use crate::model::error::Result;
use crate::model::plan::required_settings::RequiredSettings;
use crate::model::plan::settings_file::Setting;
use crate::model::relation::CAPTURED_CONFIGURATION;
use crate::postgres::{Environment, Installation, Launch, Origin, Room, ScratchServer, USUAL_SUPERUSER};

/// PostgreSQL cuts a `cluster_name` after this many bytes (`NAMEDATALEN`).
const MAX_CLUSTER_NAME: usize = 63;

pub struct StoppedCopy {
    pub installation: Installation,
    pub data: PathBuf,
    /// At least what the origin had, up to the target.
    pub required: RequiredSettings,
    /// What the origin had, as the backup tells; `None` where that cannot be read.
    pub environment: Option<Environment>,
    port: Option<u16>,
    /// `shared_preload_libraries`
    pub preload: Vec<String>,
    /// The origin's.
    cluster: String,
}

/// PostgreSQL of the backup's major; no other starts the copy.
pub fn installation(backup: &Summary, how: &Start) -> Result<Installation> {
    Installation::find_major(backup.postgresql.major(), how.bindir.as_deref())
}

impl StoppedCopy {
    pub(super) fn of(
        request: &Request,
        backup: &Summary,
        installation: Installation,
        required: RequiredSettings,
    ) -> StoppedCopy {
        StoppedCopy {
            installation,
            data: request.target_dir.clone(),
            required,
            environment: environment(&request.target_dir),
            port: request.start.as_ref().and_then(|how| how.port),
            preload: request.start.as_ref().map(|how| how.preload.clone()).unwrap_or_default(),
            cluster: backup.cluster.to_string(),
        }
    }

    /// For a server on the copy. `settings` beat everything else.
    pub fn launch(&self, room: Room, settings: Vec<Setting>) -> Launch<'_> {
        let mut all = self.required.settings();
        all.push((
            "cluster_name",
            format!("restored copy of {}", self.cluster).chars().take(MAX_CLUSTER_NAME).collect(),
        ));
        if !self.preload.is_empty() {
            all.push(("shared_preload_libraries", self.preload.join(",")));
        }
        all.extend(settings);
        let superuser = self.environment.as_ref().and_then(|environment| environment.superuser.clone());
        Launch {
            installation: &self.installation,
            data: &self.data,
            room,
            origin: Origin::Restored,
            superuser: superuser.unwrap_or_else(|| USUAL_SUPERUSER.to_owned()),
            port: self.port,
            settings: all,
        }
    }

    /// A command for a person.
    pub fn pg_ctl(&self, log: &Path, action: &str) -> String {
        self.installation.pg_ctl(&self.data, log, action)
    }

    pub fn psql(&self, server: &ScratchServer) -> String {
        self.installation.psql(server)
    }
}

/// Good to know and not worth failing for.
fn environment(target: &Path) -> Option<Environment> {
    let text = fs::read(target.join(CAPTURED_CONFIGURATION).join("environment.json")).ok()?;
    serde_json::from_slice(&text).ok()
}
