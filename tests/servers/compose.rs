//! docker-compose.yml and what lies in docker/: the file is well-formed and keeps no secret, and what it arranges works,
//! run without containers: the same commands, environment and configuration, with other paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;
use yaml_rust2::{Yaml, YamlLoader};

use super::s3::server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use super::support::account::account;
use super::support::majors::Installation;
use super::support::scratch::{self, Scratch};
use super::support::server::{Server, run};
use super::support::site::{Run, binary};
use super::support::wait::wait_for;
use super::support::{Outcome, Scenario, process, summary};

const COMPOSE: &str = include_str!("../../docker-compose.yml");
const DOCKERFILE: &str = include_str!("../../docker/Dockerfile");

/// Long enough for a busy machine to start a shell in.
const SOON: SignedDuration = SignedDuration::from_secs(10);

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "compose::file", run: file }, Scenario { name: "compose::arrangement", run: arrangement }]
}

fn parsed() -> Outcome<Yaml> {
    Ok(YamlLoader::load_from_str(COMPOSE)?.pop().ok_or("docker-compose.yml is empty")?)
}

/// A service's entry, or that of the service which it repeats.
fn entry<'y>(services: &'y Yaml, service: &str, key: &str) -> &'y Yaml {
    let (own, base) = (&services[service][key], &services[service]["<<"][key]);
    if own.is_badvalue() { base } else { own }
}

fn words(list: &Yaml) -> Vec<String> {
    list.as_vec().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn file(install: &'static Installation) -> Outcome {
    let compose = parsed()?;
    let services = &compose["services"];
    for (name, service) in services.as_hash().ok_or("no services")? {
        let name = name.as_str().unwrap_or_default();
        let image = entry(services, name, "image").as_str().unwrap_or_default();
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        assert!(tag.chars().any(|c| c.is_ascii_digit()), "{name}: the version of {image:?} is not pinned");
        for (variable, value) in service["environment"].as_hash().into_iter().flatten() {
            let (variable, value) = (variable.as_str().unwrap_or_default(), value.as_str().unwrap_or_default());
            let secret = ["PASSWORD", "USER", "KEY", "SECRET"].iter().any(|word| variable.contains(word));
            assert!(!secret || (variable.ends_with("_FILE") && value.starts_with("/run/secrets/")), "{variable}");
        }
        for secret in words(entry(services, name, "secrets")) {
            let file = compose["secrets"][secret.as_str()]["file"].as_str().unwrap_or_default();
            assert_eq!(file, format!("./docker/secrets/{secret}"), "{name}");
        }
    }
    let pinned = DOCKERFILE.lines().filter_map(|line| line.strip_prefix("FROM "));
    assert!(pinned.clone().count() == 2 && pinned.clone().all(|image| image.contains(|c: char| c.is_ascii_digit())));
    by_compose(install)
}

/// `docker compose config`, or the older program of that name.
fn by_compose(install: &Installation) -> Outcome {
    let works = |words: &[&str]| {
        let ran = Command::new(words[0])
            .args(&words[1..])
            .arg("version")
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    };
    let programs: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
    let Some(program) = programs.into_iter().find(|words| works(words)) else {
        summary::left_out(install.major, "compose::file by compose itself", "docker-compose is not installed");
        return Ok(());
    };
    let place = Place::new()?;
    let mut config = Command::new(program[0]);
    config.args(&program[1..]).args(["config", "-q"]).current_dir(place.scratch.path());
    fs::write(place.scratch.join("docker-compose.yml"), COMPOSE)?;
    run(&mut config).map(drop)
}

/// A copy of docker/, prepared.
struct Place {
    scratch: Scratch,
    identity: PathBuf,
}

impl Place {
    fn new() -> Outcome<Place> {
        let scratch = Scratch::new()?;
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker");
        account().make_dir(&scratch.join("docker"))?;
        for (name, mode) in [("main.toml.example", 0o644), ("prepare", 0o755), ("schedule", 0o755)] {
            account().write(&scratch.join("docker").join(name), fs::read(there.join(name))?, mode)?;
        }
        let identity = scratch.join("identity.txt");
        let key = Run::of(account().command(binary()).args(["key", "generate", "--json", "--output"]).arg(&identity))?;
        let recipient = key.ok()?.json()?["recipient"].as_str().unwrap_or_default().to_owned();
        // Twice, since what is there stays.
        for recipient in [recipient.as_str(), "age1another"] {
            let mut prepare = account().command(scratch.join("docker/prepare"));
            run(prepare.env("KEEP_OWNER", "1").arg(recipient))?;
        }
        Ok(Place { scratch, identity })
    }

    fn config(&self) -> PathBuf {
        self.scratch.join("docker/main.toml")
    }

    /// Other paths, and the access key of the tests' store, in what was prepared.
    fn move_to(&self, store: &S3Server, server: &Server) -> Outcome {
        let config = fs::read_to_string(self.config())?;
        let secrets = self.scratch.join("docker/secrets");
        let mut moved = config.clone();
        for (there, here) in [
            (
                "\"/var/lib/postgresql/18/docker\"",
                format!("{:?}\nconnection = {:?}", server.data(), server.connection()),
            ),
            ("/var/lib/pgcairn", self.scratch.path().display().to_string()),
            ("http://store:9000", store.endpoint.clone()),
            ("/run/secrets", secrets.display().to_string()),
        ] {
            assert!(moved.contains(there), "{there} is not in docker/main.toml");
            moved = moved.replace(there, &here);
        }
        assert!(config.contains(&format!("s3://{BUCKET}/")) && COMPOSE.contains(&format!("store/{BUCKET};")));
        account().write(&self.config(), moved, 0o644)?;
        let mut credentials = fs::read_to_string(secrets.join("s3_credentials"))?;
        for (name, key) in [("store_user", ACCESS_KEY), ("store_password", SECRET_KEY)] {
            credentials = credentials.replacen(
                &format!("= {}\n", fs::read_to_string(secrets.join(name))?),
                &format!("= {key}\n"),
                1,
            );
        }
        Ok(account().write(&secrets.join("s3_credentials"), credentials, 0o600)?)
    }

    /// What a service runs, with its environment.
    fn command(&self, service: &str) -> Outcome<Command> {
        let compose = parsed()?;
        let words = words(entry(&compose["services"], service, "command"));
        let (program, arguments) = words.split_first().ok_or("no command")?;
        let program = match program.as_str() {
            "pgcairn" => binary().to_owned(),
            "pgcairn-schedule" => self.scratch.join("docker/schedule"),
            other => return Err(format!("{other} is not in the image").into()),
        };
        let mut command = account().command(program);
        for (name, value) in compose["services"][service]["environment"].as_hash().into_iter().flatten() {
            command.env(name.as_str().unwrap_or_default(), value.as_str().unwrap_or_default());
        }
        command.env("PATH", format!("{}:/usr/bin:/bin", scratch::root().display()));
        command.env("PGCAIRN_CONFIG", self.config()).args(arguments);
        Ok(command)
    }

    fn pgcairn(&self, arguments: &[&str]) -> Outcome<Run> {
        let mut command = account().command(binary());
        Run::of(command.env("PGCAIRN_CONFIG", self.config()).args(arguments))
    }
}

fn arrangement(install: &'static Installation) -> Outcome {
    let (place, store) = (Place::new()?, S3Server::start());
    let mut server = Server::builder(install);
    for setting in words(&parsed()?["services"]["postgres"]["command"]).iter().filter(|word| word.contains('=')) {
        let (name, value) = setting.split_once('=').unwrap_or_default();
        let there = format!("{} -c {} ", binary().display(), place.config().display());
        server = server.setting(name, &format!("'{}'", value.replace("pgcairn ", &there)));
    }
    let server = server.start()?;
    place.move_to(&store, &server)?;
    Run::of(&mut place.command("init")?)?.ok()?.says(&["trusted = [\"ed25519:"])?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;

    let at = (Timestamp::now() + SOON).strftime("%H:%M:%S").to_string();
    let mut schedule = place.command("backup")?;
    let log = fs::File::create(place.scratch.join("log"))?;
    let mut schedule = Scheduled(schedule.env("BACKUP_AT", at).stdout(log.try_clone()?).stderr(log).spawn()?);
    let said = || fs::read_to_string(place.scratch.join("log"));
    // Said once more when backup and expiry are over.
    wait_for("the scheduled backup", || Ok((said()?.matches("next backup at").count() > 1).then_some(())))?;
    let listed = place.pgcairn(&["list", "--json"])?.ok()?.json()?;
    assert_eq!(listed["backups"][0]["signature"]["state"], "pinned", "{listed}\n{}", said()?);
    process::signal(schedule.0.id().cast_signed(), Signal::TERM);
    assert!(wait_for("the schedule to end", || Ok(schedule.0.try_wait()?))?.success(), "{}", said()?);

    server.sql("insert into t select generate_series(1, 500)")?;
    server.archive_all()?;
    let (target, identity) = (place.scratch.join("restored"), place.identity.display().to_string());
    let words = ["restore", "--to", "latest", "--identity", &identity, "--target-dir", &target.display().to_string()];
    place.pgcairn(&words)?.ok()?;
    let copy = Server::adopt(install, &target)?;
    copy.start()?;
    copy.wait_promoted()?;
    assert_eq!(copy.value("select count(*) from t")?, "1500");
    Ok(())
}

/// Ended with the trial.
struct Scheduled(Child);

impl Drop for Scheduled {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
