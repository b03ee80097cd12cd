//! What lies where, and which timers run, for one configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::UNITS;
use super::credentials::{Credential, needs_key};
use super::drop_in::{DropIn, word};
use super::facts::Facts;
use crate::config::{Config, Repository, Time};
use crate::model::schedule::{Calendar, Job};
use crate::report::schedule::JobPlan;

/// After those that pgcairn brings, so that it counts.
pub const DROP_IN: &str = "50-schedule.conf";

/// Longer than the drill gives itself: it ends in order before systemd ends it.
const DRILL_GRACE: Duration = Duration::from_secs(3600);

/// Where the clusters of Debian lie, by major and name.
const DEBIAN_CLUSTERS: &str = "/var/lib/postgresql";
/// Where `archive_command` finds what systemd was given for it.
const HANDED_OVER: &str = "/run/pgcairn";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub instance: String,
    pub user: String,
    pub jobs: Vec<Planned>,
    pub files: BTreeMap<PathBuf, String>,
    /// Secrets that units are told to load and that are not there.
    pub missing: Vec<PathBuf>,
    /// Where the server's environment must lead for `archive_command`.
    pub archiving: Option<Archiving>,
}

/// One job, and when, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub job: Job,
    pub calendar: Option<Calendar>,
    pub reason: Option<String>,
}

impl Planned {
    pub fn told(&self) -> JobPlan {
        JobPlan {
            job: self.job.name(),
            calendar: self.calendar.as_ref().map(ToString::to_string),
            reason: self.reason.clone(),
        }
    }
}

/// For a server whose unit is Debian's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archiving {
    pub environment: PathBuf,
    pub directory: PathBuf,
}

impl Plan {
    pub fn new(config: &Config, instance: &str, facts: &Facts) -> Plan {
        let jobs: Vec<Planned> = Job::ALL.into_iter().map(|job| planned(config, job, facts)).collect();
        let mut plan = Plan {
            instance: instance.to_owned(),
            user: facts.owner.clone(),
            files: BTreeMap::new(),
            missing: missing(config, &jobs, facts),
            archiving: None,
            jobs,
        };
        for job in plan.scheduled() {
            plan.add(&job.service(instance), service(config, job, facts));
            plan.add(&job.failed_service(instance), failed_service(config, job, facts));
            if let Some(Time::At(calendar)) = config.schedule.of(job) {
                let mut timer = DropIn::new("Timer", &facts.configuration);
                timer.calendar(calendar);
                plan.add(&job.timer(instance), timer);
            }
        }
        plan.hand_over(config, facts);
        plan
    }

    fn add(&mut self, unit: &str, drop_in: DropIn) {
        let path = Path::new("/").join(UNITS).join(format!("{unit}.d")).join(DROP_IN);
        self.files.insert(path, drop_in.text());
    }

    fn scheduled(&self) -> Vec<Job> {
        self.jobs.iter().filter(|planned| planned.calendar.is_some()).map(|planned| planned.job).collect()
    }

    pub fn timers(&self) -> Vec<String> {
        self.scheduled().into_iter().map(|job| job.timer(&self.instance)).collect()
    }

    /// Of what `archive_command` needs, where the server is one of Debian's: there the unit runs as root, what systemd
    /// loads is root's, and the server begins with an environment of its own (`pg_ctlcluster`).
    fn hand_over(&mut self, config: &Config, facts: &Facts) {
        let Some(cluster) = config.postgres.as_ref().and_then(|postgres| debian_cluster(&postgres.data_dir)) else {
            return;
        };
        if facts.of_archiving.is_empty() {
            return;
        }
        let directory = Path::new(HANDED_OVER).join(&self.instance);
        let (place, user) = (word(&directory), &self.user);
        let mut unit = DropIn::new("Service", &facts.configuration);
        unit.set("RemoveIPC", "no");
        unit.credentials(&facts.of_archiving);
        unit.set("ExecStartPre", &format!("+/usr/bin/install -d -m 0755 {HANDED_OVER}"));
        unit.set("ExecStartPre", &format!("+/usr/bin/install -d -m 0700 -o {user} {place}"));
        for Credential { name, .. } in &facts.of_archiving {
            let copy = format!("+/usr/bin/install -m 0400 -o {user} ${{CREDENTIALS_DIRECTORY}}/{name} {place}/{name}");
            unit.set("ExecStartPre", &copy);
        }
        let (major, name) = cluster;
        let dir = Path::new("/").join(UNITS).join(format!("postgresql@{major}-{name}.service.d"));
        self.files.insert(dir.join(archiving_drop_in(&self.instance)), unit.text());
        let environment = Path::new("/etc/postgresql").join(major).join(name).join("environment");
        self.archiving = Some(Archiving { environment, directory });
    }
}

/// The name tells whose it is: one server has one unit, and may have several configurations.
pub fn archiving_drop_in(instance: &str) -> String {
    format!("50-pgcairn-{instance}.conf")
}

fn debian_cluster(data_dir: &Path) -> Option<(String, String)> {
    let mut names = data_dir.strip_prefix(DEBIAN_CLUSTERS).ok()?.iter().map(|name| name.to_str().map(str::to_owned));
    match (names.next()??, names.next()??, names.next()) {
        (major, name, None) => Some((major, name)),
        _ => None,
    }
}

fn planned(config: &Config, job: Job, facts: &Facts) -> Planned {
    let reason = reason_against(config, job, facts);
    let calendar = match config.schedule.of(job) {
        Some(Time::At(calendar)) => calendar.clone(),
        _ => Calendar::usual(job),
    };
    Planned { job, calendar: reason.is_none().then_some(calendar), reason }
}

fn reason_against(config: &Config, job: Job, facts: &Facts) -> Option<String> {
    let configured = config.schedule.of(job);
    if configured == Some(&Time::Never) {
        return Some("the configuration says never".to_owned());
    }
    match job {
        Job::Backup if config.postgres.is_none() => Some("there is no [postgres] data_dir".to_owned()),
        Job::Dump if config.postgres.is_none() && config.remote.is_none() => Some("there is no [postgres]".to_owned()),
        Job::Dump if config.dump.is_none() => Some("there is no [dump]".to_owned()),
        Job::Expire if !config.repositories().any(|one| expires(config, one)) => {
            Some("there is no [retention]: everything is kept".to_owned())
        }
        Job::Copy if config.others.is_empty() => Some("there is only one [[repository]]".to_owned()),
        Job::Drill if configured.is_none() && needs_key(config, job) && !facts.identity.is_there => {
            Some(format!("its key is not at {}", facts.identity.path.display()))
        }
        _ => None,
    }
}

/// Where only some backups go there are no dumps.
fn expires(config: &Config, repository: &Repository) -> bool {
    config.retention_of(repository).is_some() || config.dump_retention().is_some() && repository.keep.is_none()
}

fn missing(config: &Config, jobs: &[Planned], facts: &Facts) -> Vec<PathBuf> {
    let drills = jobs.iter().any(|planned| planned.calendar.is_some() && needs_key(config, planned.job));
    let key = Some(&facts.identity).filter(|_| drills);
    facts.credentials.iter().chain(key).filter(|one| !one.is_there).map(|one| one.path.clone()).collect()
}

fn service(config: &Config, job: Job, facts: &Facts) -> DropIn {
    let mut unit = DropIn::new("Service", &facts.configuration);
    match job {
        Job::Drill => {
            let scratch: Vec<PathBuf> = config.drill.scratch.iter().cloned().collect();
            // Of a repository its modes leave nothing to the drill's user but records of its own.
            unit.paths("ReadWritePaths", &[repositories(config), scratch].concat());
            unit.uncover(&[used(config), config.drill.scratch.clone().into_iter().collect()].concat());
            // Of all repositories, one after the other.
            let limit = config.drill.limit * config.repositories().count() as u32 + DRILL_GRACE;
            unit.set("TimeoutStartSec", &format!("{}s", limit.as_secs()));
            unit.credentials(&facts.credentials);
            unit.credentials(Some(&facts.identity).filter(|key| key.is_there || needs_key(config, job)));
        }
        _ => {
            unit.set("User", &facts.owner);
            unit.paths("ReadWritePaths", &[repositories(config), kept(config)].concat());
            unit.paths("ReadOnlyPaths", &data_dir(config));
            unit.uncover(&used(config));
            unit.credentials(&facts.credentials);
        }
    }
    for name in further_repositories(config, job) {
        // systemd puts in variables where a shell would.
        let name = word(Path::new(name)).replace('$', "$$");
        unit.set("ExecStart", &format!("/usr/bin/pgcairn -c %i --no-input {} --repository {name}", job.command()));
    }
    unit
}

/// Where a job works on one repository it goes on with these after the first.
pub fn further_repositories(config: &Config, job: Job) -> impl Iterator<Item = &str> {
    let is_meant = move |one: &&Repository| match job {
        Job::Drill => true,
        Job::Expire => expires(config, one),
        Job::Backup | Job::Dump | Job::Copy | Job::Verify => false,
    };
    config.others.iter().filter(is_meant).map(|one| one.name.as_str())
}

/// It reads the configuration, tells people, and writes down that it has.
fn failed_service(config: &Config, job: Job, facts: &Facts) -> DropIn {
    let mut unit = DropIn::new("Service", &facts.configuration);
    if job != Job::Drill {
        unit.set("User", &facts.owner);
        unit.paths("ReadWritePaths", &kept(config));
    }
    unit.uncover(&used(config));
    unit.credentials(&facts.credentials);
    unit
}

fn repositories(config: &Config) -> Vec<PathBuf> {
    config.repositories().filter_map(|repository| repository.url.local_path().map(Path::to_owned)).collect()
}

fn data_dir(config: &Config) -> Vec<PathBuf> {
    config.postgres.iter().map(|postgres| postgres.data_dir.clone()).collect()
}

/// What is written beside a repository: the state directory where one is configured, and the directory of metrics.
fn kept(config: &Config) -> Vec<PathBuf> {
    let metrics = config.metrics.as_ref().and_then(|file| file.parent()).map(Path::to_owned);
    config.state_dir.iter().cloned().chain(metrics).collect()
}

/// Everything that must be seen.
fn used(config: &Config) -> Vec<PathBuf> {
    let sockets = config.postgres.iter().flat_map(|postgres| postgres.connection.socket_directories());
    let key = config.signing.key.clone();
    let all = [repositories(config), data_dir(config), kept(config), config.backup.include.clone()].concat();
    all.into_iter().chain(sockets).chain(key).collect()
}

/// Not those of other configurations.
pub fn is_of(instance: &str, unit_directory: &str, name: &str) -> bool {
    let own_unit = Job::ALL.into_iter().any(|job| {
        let units = [job.service(instance), job.failed_service(instance), job.timer(instance)];
        units.iter().any(|unit| unit_directory == format!("{unit}.d"))
    });
    (own_unit && name == DROP_IN) || (unit_directory.starts_with("postgresql@") && name == archiving_drop_in(instance))
}
