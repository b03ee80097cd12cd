//! `check`: the live end-to-end test. Every question is asked, whatever the others answered.

use std::path::Path;
use std::time::Duration;

use super::failure::OTHER_STORE;
use super::repository::{self, Named, distinct, sealer};
use super::wal::flush;
use super::{Context, drills, encryption_findings, server_findings, signing_key, store_findings};
use crate::codec::Identities;
use crate::config;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{Encryption, Key};
use crate::postgres::{Connection, Settings, check_cluster};
use crate::report::Quiet;
use crate::report::check::{Check, Finding, Verdict};
use crate::source::data_directory::DataDirectory;
use crate::store::{Error as StoreError, Repository, Space};

/// A segment that has not made the round trip in this time will not make it.
const ROUND_TRIP: Duration = Duration::from_secs(30);

/// Below this share of free space the repository is called nearly full.
const LITTLE_SPACE: u64 = 10;

pub fn run(context: &Context) -> Result<Check> {
    let mut findings = Vec::new();
    let mut opened: Vec<Named<'_>> = Vec::new();
    match repository::open(&context.config) {
        Ok(repository) => {
            findings.extend(repository_findings(context, &context.config.repository, &repository));
            opened.push((&context.config.repository, repository));
        }
        Err(error) => findings.push(Finding::fail("repository", error)),
    }
    let can_archive = !opened.is_empty();
    for other in &context.config.others {
        let found = match repository::open_one(&context.config, other) {
            Ok(repository) => {
                let mut found = other_findings(context, other, &repository);
                let named = (other, repository);
                let twice = opened.iter().find_map(|before| distinct(before, &named).err());
                found.extend(twice.map(|error| Finding::fail("repository", error)));
                opened.push(named);
                found
            }
            Err(error) if other.required => vec![Finding::fail("repository", error)],
            Err(error) => vec![Finding::warning("repository", error.message, error.hint.unwrap_or_default())],
        };
        findings.extend(found.into_iter().map(|finding| finding.of(&other.name)));
    }
    findings.extend(server(context, can_archive));
    Ok(Check {
        cluster: context.config.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        repository: context.config.repositories().map(|r| r.url.to_string()).collect::<Vec<_>>().join(", "),
        next: context.command(if findings.iter().any(stands_in_the_way) { "check" } else { "backup" }),
        findings: context.addressed(findings),
    })
}

/// Of a backup: what fails, and what needed the server and had to be left out.
fn stands_in_the_way(finding: &Finding) -> bool {
    finding.is_failure() || (finding.verdict == Verdict::Skipped && finding.subject == SERVER)
}

const SERVER: &str = "server";

fn repository_findings(context: &Context, wanted: &config::Repository, repository: &Repository) -> Vec<Finding> {
    let mut findings = vec![Finding::pass("repository", format!("{} is {}", repository.url(), repository.id()))];
    match sealer(&context.config, repository.encryption()) {
        Ok(_) => findings.extend(encryption(context, repository)),
        Err(error) => findings.push(Finding::fail("encryption", error)),
    }
    findings.push(signing_key::inspect(&context.config));
    findings.extend(store(context, wanted, repository));
    findings
}

/// Objects come to it as they are, so it must be encrypted as the first one is.
fn other_findings(context: &Context, wanted: &config::Repository, repository: &Repository) -> Vec<Finding> {
    let mut findings = vec![Finding::pass("repository", format!("{} is {}", repository.url(), repository.id()))];
    if let Err(error) = sealer(&context.config, repository.encryption()) {
        findings.push(Finding::fail("encryption", error));
    }
    findings.extend(store(context, wanted, repository));
    findings
}

fn store(context: &Context, wanted: &config::Repository, repository: &Repository) -> Vec<Finding> {
    let mut findings = vec![create_only(repository), absence(wanted, repository)];
    findings.extend(store_findings::inspect(&context.config, wanted, repository));
    findings.extend(disk(context, wanted, repository));
    findings.extend(drills::finding(&context.config, wanted, repository));
    findings
}

fn encryption(context: &Context, repository: &Repository) -> Vec<Finding> {
    let mut findings = encryption_findings::encryption(&context.config, repository.encryption());
    if repository.encryption() == Encryption::Age {
        findings.extend(context.identities.as_ref().map(|given| identity(context, given)));
    }
    findings
}

/// A key on this host that opens the backups is worth a warning: whoever takes the host takes them too.
fn identity(context: &Context, given: &Identities) -> Finding {
    let ours: Vec<String> = given.recipients().iter().map(ToString::to_string).collect();
    match context.config.recipients.iter().any(|recipient| ours.contains(&recipient.to_string())) {
        true => Finding::warning(
            "identity",
            "it opens the backups, and it is on the database host: whoever takes this host reads them all",
            "move the identity file to another machine and remove it here",
        ),
        false => Finding::fail(
            "identity",
            Error::new(Code::Identity, "the given identity belongs to none of the configured recipients")
                .hint("give the identity of one of the recipients: --identity FILE"),
        ),
    }
}

/// The marker exists, so creating it once more must fail, and must fail as it should.
fn create_only(repository: &Repository) -> Finding {
    match repository.create_again() {
        Err(StoreError::AlreadyExists { .. }) => Finding::pass("create-only", "an existing object is not overwritten"),
        Ok(()) => Finding::fail(
            "create-only",
            Error::new(Code::Refused, "the store let an existing object be overwritten").hint(OTHER_STORE),
        ),
        Err(error) => Finding::fail("create-only", error.into()),
    }
}

/// A random key must be found absent, and nothing else.
fn absence(wanted: &config::Repository, repository: &Repository) -> Finding {
    let key = format!("runs/{:016x}", rand::random::<u64>());
    let found = Key::new(key).map(|key| repository.reader().find(&key).map(|object| object.is_some()));
    match found {
        Ok(Ok(false)) => Finding::pass("absence", "a missing object is told from a broken one"),
        Ok(Ok(true)) => Finding::fail("absence", Error::new(Code::Damaged, "an object that was never made is there")),
        Ok(Err(error)) => Finding::fail("absence", error.into()),
        Err(error) => Finding::fail("absence", Error::new(Code::Internal, format!("{}: {error}", wanted.url))),
    }
}

fn disk(context: &Context, wanted: &config::Repository, repository: &Repository) -> Vec<Finding> {
    let Some(path) = wanted.url.local_path() else { return Vec::new() };
    let mut findings = Vec::new();
    if let Ok(Some(Space { free, total })) = repository.space() {
        let message = format!("{} MiB of {} MiB are free", free >> 20, total >> 20);
        findings.push(match free < total / LITTLE_SPACE {
            true => Finding::warning("disk", message, "give the repository more space"),
            false => Finding::pass("disk", message),
        });
    }
    if let Ok(postgres) = context.config.postgres()
        && same_device(path, &postgres.data_dir)
    {
        let message = format!(
            "{} and {} are on the same device: both are lost with it",
            path.display(),
            postgres.data_dir.display()
        );
        findings.push(Finding::advice("device", message, "put the repository on another disk or machine"));
    }
    findings
}

fn same_device(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).map(|m| m.dev()).ok();
    device(a).is_some_and(|a| Some(a) == device(b))
}

/// Works with PostgreSQL down: then what needs it is skipped and says so.
fn server(context: &Context, with_repository: bool) -> Vec<Finding> {
    let connected = context.config.postgres().and_then(|postgres| {
        let mut connection = Connection::open(postgres.connection.as_str())?;
        let settings = Settings::read(&mut connection)?;
        Ok((connection, settings, postgres))
    });
    let (mut connection, settings, postgres) = match connected {
        Ok(connected) => connected,
        Err(error) if error.code == Code::Unreachable => {
            let next = Finding::skipped("round trip", "it needs the server");
            return vec![Finding::skipped(SERVER, error.message), next];
        }
        Err(error) => return vec![Finding::fail(SERVER, error)],
    };
    let mut findings = server_findings::server(context, &mut connection, &settings);
    let caution = connection.caution();
    findings.extend(caution.map(|it| Finding::warning("connection", it.message, it.hint.unwrap_or_default())));
    let directory = DataDirectory::open(&postgres.data_dir).map_err(Error::from);
    findings.push(match directory.and_then(|d| check_cluster(&mut connection, &settings, &d, None)) {
        Ok(()) => Finding::pass("data directory", format!("{} is the server's", postgres.data_dir.display())),
        Err(error) => Finding::fail("data directory", error),
    });
    let archives = !findings.iter().any(Finding::is_failure) && with_repository;
    findings.push(if archives {
        round_trip(context, &settings)
    } else {
        Finding::skipped("round trip", "the failures above come first")
    });
    findings
}

/// A segment goes through archive_command into the repository.
fn round_trip(context: &Context, settings: &Settings) -> Finding {
    if settings.in_recovery {
        return Finding::skipped("round trip", "the server is a standby, which ends no WAL segments");
    }
    match flush::run(context, &flush::Request { timeout: ROUND_TRIP }, &Quiet) {
        Ok(flush) => Finding::pass(
            "round trip",
            format!("segment {} was archived in {:.1} s", flush.last_segment, flush.seconds),
        ),
        Err(error) => Finding::fail("round trip", error),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::codec::generate_identity;
    use crate::config::Config;
    use crate::model::interrupt::Interrupt;

    #[test]
    fn a_key_on_the_database_host_is_no_plain_pass() {
        let place = tempfile::tempdir().unwrap();
        let url = format!("file://{}", place.path().join("repository").display());
        let (secret, recipient) = generate_identity();
        let mut config = Config::without_file(url.parse().unwrap());
        config.recipients = vec![recipient];
        let repository = Repository::create(config.repository.url.place(), Encryption::Age).unwrap();
        let verdicts = |given: Option<&str>| -> Vec<Verdict> {
            let identities = given.map(|text| Identities::parse(text.as_bytes(), || None).ok().unwrap());
            let (config, interrupt) = (config.clone(), Interrupt::default());
            let (now, trusted) = (jiff::Timestamp::UNIX_EPOCH, Vec::new());
            let context = Context { config, identities, trusted, now, interrupt };
            encryption(&context, &repository).iter().map(|finding| finding.verdict).collect()
        };
        assert_eq!(verdicts(None), [Verdict::Pass, Verdict::Advice]);
        assert_eq!(verdicts(Some(secret.expose_secret())), [Verdict::Pass, Verdict::Advice, Verdict::Warning]);
        let (other, _) = generate_identity();
        assert_eq!(verdicts(Some(other.expose_secret())), [Verdict::Pass, Verdict::Advice, Verdict::Fail]);
    }
}
