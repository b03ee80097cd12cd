//! The lines that the units in `systemd/` run, on a real server, as the users they run as. There is no systemd here, so
//! what its sandbox would refuse is read from what they did (`strace`): system calls, kinds of sockets, memory that is
//! writable and executable, and files written elsewhere than where they may.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::account::{account, is_root};
use crate::support::majors::Installation;
use crate::support::server::{Server, run};
use crate::support::site::{Run, Site, binary};
use crate::support::{Outcome, Scenario};

/// Whom a drill runs as where the tests may choose: nobody else has this number.
const DRILL_USER: u32 = 61_234;

const UNITS: [(&str, &str); 11] = [
    ("backup", include_str!("../../systemd/pgcairn-backup@.service")),
    ("copy", include_str!("../../systemd/pgcairn-copy@.service")),
    ("verify", include_str!("../../systemd/pgcairn-verify@.service")),
    ("expire", include_str!("../../systemd/pgcairn-expire@.service")),
    ("drill", include_str!("../../systemd/pgcairn-drill@.service")),
    // After the drill: its user has a number here and no name, without which `initdb` does nothing.
    ("dump", include_str!("../../systemd/pgcairn-dump@.service")),
    ("failed-backup", include_str!("../../systemd/pgcairn-failed-backup@.service")),
    ("failed-dump", include_str!("../../systemd/pgcairn-failed-dump@.service")),
    ("failed-verify", include_str!("../../systemd/pgcairn-failed-verify@.service")),
    ("failed-expire", include_str!("../../systemd/pgcairn-failed-expire@.service")),
    ("failed-drill", include_str!("../../systemd/pgcairn-failed-drill@.service")),
];
const SANDBOX: &str = include_str!("../../systemd/pgcairn-.service.d/10-sandbox.conf");

/// Refused, and nothing is lost: `Nice=` has done it before.
const DISPENSABLE: &str = "setpriority";

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "systemd::units", run: units }]
}

fn units(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    server.sql("create table orders as select generate_series(1, 1000) as n")?;
    let mut site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    // PostgreSQL runs archive_command with a umask of its own, which leaves the group nothing.
    server.archive_all()?;
    let copies = site.path("copies");
    let trusted = site.public_key()?;
    site.configure(&format!(
        "[signing]\ntrusted = [\"{trusted}\"]\n[[repository]]\nname = \"copies\"\nurl = \"file://{}\"\n\
         required = false\n[retention]\n[dump]\n",
        copies.display()
    ))?;
    site.init()?;
    // As with the packaged units, systemd says where.
    let config = fs::read_to_string(site.config())?.replace(&format!("state_dir = {:?}\n", site.state_dir()), "");
    account().write(&site.config(), config, 0o644)?;
    let stage = Stage::new(install, &site)?;
    for (name, unit) in UNITS {
        let traced = stage.run(&site, name, unit)?;
        stage.is_within_the_sandbox(&site, name, &traced)?;
        // What was made is there for the next.
        stage.open_to_the_drill(&site)?;
    }
    let drill = site.run(&["status", "--json"])?.status_in(0..=3)?.json()?;
    assert_eq!(drill["repositories"].as_array().map(Vec::len), Some(2), "{drill}");
    Ok(())
}

struct Stage {
    bin: String,
    state: PathBuf,
    cache: PathBuf,
    credentials: PathBuf,
    allowed: BTreeSet<String>,
}

impl Stage {
    fn new(install: &Installation, site: &Site) -> Outcome<Stage> {
        let stage = Stage {
            bin: install.bin().display().to_string(),
            state: site.state_dir(),
            cache: site.path("cache"),
            credentials: site.path("credentials"),
            allowed: allowed_calls()?,
        };
        for directory in [&stage.cache, &stage.credentials] {
            account().make_dir(directory)?;
        }
        fs::copy(site.identity(), stage.credentials.join("pgcairn-identity"))?;
        if is_root() {
            for path in [&stage.cache, &stage.credentials, &stage.credentials.join("pgcairn-identity")] {
                chown(path, Some(DRILL_USER), None)?;
            }
        }
        stage.open_to_the_drill(site)?;
        Ok(stage)
    }

    /// What is to be read by everybody is, in the place of the test; a repository's own modes stay.
    fn open_to_the_drill(&self, site: &Site) -> Outcome {
        for (path, mode) in [(site.path(""), 0o755), (site.config(), 0o644)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// The unit's own line under `strace`, which writes to a file.
    fn run(&self, site: &Site, name: &str, unit: &str) -> Outcome<String> {
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/pgcairn -c %i "));
        let words: Vec<&str> = line.ok_or("the unit runs no pgcairn")?.split(' ').collect();
        let trace = site.path(&format!("{name}.strace"));
        let mut command = account().command("/usr/bin/strace");
        command.args(["-f", "-qq", "-o"]).arg(&trace).arg(binary()).arg("-c").arg(site.config()).args(words);
        command.env("STATE_DIRECTORY", &self.state);
        if name.ends_with("drill") {
            command.env("CREDENTIALS_DIRECTORY", &self.credentials).env("TMPDIR", &self.cache);
            command.env("STATE_DIRECTORY", &self.cache);
            self.become_the_drill_s_user(&mut command, &trace)?;
        }
        command.env("PATH", format!("{}:/usr/bin:/bin", self.bin));
        Run::of(&mut command)?.ok()?;
        Ok(fs::read_to_string(trace)?)
    }

    /// Only the group of a repository is shared, as `SupplementaryGroups=pgcairn` does.
    fn become_the_drill_s_user(&self, command: &mut Command, trace: &Path) -> Outcome {
        if is_root() {
            fs::write(trace, "")?;
            chown(trace, Some(DRILL_USER), None)?;
            command.uid(DRILL_USER);
        }
        Ok(())
    }

    fn is_within_the_sandbox(&self, site: &Site, name: &str, traced: &str) -> Outcome {
        let refused: BTreeSet<&str> =
            calls(traced).filter(|call| !self.allowed.contains(*call) && *call != DISPENSABLE).collect();
        assert!(refused.is_empty(), "{name}: SystemCallFilter= would refuse {refused:?}");
        assert!(calls(traced).count() > 50, "{name}: nothing was traced");
        let families =
            SANDBOX.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies=")).unwrap_or_default();
        let families: Vec<&str> = families.split(' ').collect();
        let executable = |line: &&str| {
            line.contains("PROT_WRITE|PROT_EXEC") || (line.contains(" mprotect(") && line.contains("PROT_EXEC"))
        };
        assert_eq!(traced.lines().find(executable), None, "{name}: MemoryDenyWriteExecute= would refuse it");
        assert_eq!(traced.lines().find(|line| sets_an_id(line)), None, "{name}: RestrictSUIDSGID= would refuse it");
        for line in traced.lines() {
            let family = line.split_once(" socket(").and_then(|(_, rest)| rest.split(',').next());
            assert!(family.is_none_or(|family| families.contains(&family)), "{name}: {line}");
        }
        let own = [site.repository(), site.path("copies"), self.state.clone(), self.cache.clone()];
        let places = own.iter().map(PathBuf::as_path).chain(["/dev/null", "/dev/shm", "/tmp"].map(Path::new));
        let places: Vec<&Path> = places.collect();
        let elsewhere: Vec<&str> =
            written(traced).filter(|path| !places.iter().any(|place| Path::new(path).starts_with(place))).collect();
        assert!(elsewhere.is_empty(), "{name}: ReadWritePaths= has none of {elsewhere:?}");
        Ok(())
    }
}

/// The names of the calls of a trace, each line of which begins with the number of a process.
fn calls(traced: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    traced
        .lines()
        .filter_map(move |line| line.split_once(' ')?.1.trim_start().split_once('('))
        .map(|call| call.0)
        .filter(is_name)
}

/// `RestrictSUIDSGID=`, which `DynamicUser=` brings along, refuses modes with such a bit, and `openat2` whatever its mode.
fn sets_an_id(line: &str) -> bool {
    const WITH_MODES: [&str; 5] = ["chmod", "mkdir", "mknod", "open", "creat"];
    const IDS: u32 = 0o6000;
    let Some((name, rest)) = line.split_once(' ').and_then(|(_, call)| call.trim_start().split_once('(')) else {
        return false;
    };
    let words = rest.split(") = ").next().unwrap_or_default().rsplit(", ");
    let mode = words.map(|word| u32::from_str_radix(word, 8).unwrap_or_default()).next().unwrap_or_default();
    name == "openat2" || (WITH_MODES.iter().any(|with| name.contains(with)) && mode & IDS != 0)
}

/// Absolute paths that were opened for writing, made or renamed.
fn written(traced: &str) -> impl Iterator<Item = &str> {
    let writes = |line: &&str| {
        let opens = line.contains(" openat(AT_FDCWD, \"/") && (line.contains("O_WRONLY") || line.contains("O_RDWR"));
        let makes = [" mkdir(\"/", " mkdirat(AT_FDCWD, \"/", " rename(\"/", " unlink(\"/"]
            .iter()
            .any(|call| line.contains(call));
        (opens || makes) && !line.contains(" = -1 ")
    };
    traced.lines().filter(writes).filter_map(|line| line.split('"').nth(1))
}

/// What the units' filter lets through, as systemd itself names the calls of each set.
fn allowed_calls() -> Outcome<BTreeSet<String>> {
    let mut asked = Command::new("systemd-analyze");
    let sets = run(asked.args(["syscall-filter", "--no-pager"]))?;
    let filters = SANDBOX.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
    let mut allowed = BTreeSet::new();
    for filter in filters {
        let names = filter.trim_start_matches('~').split(' ').flat_map(|set| calls_of(&sets, set));
        match filter.starts_with('~') {
            true => {
                let names: BTreeSet<String> = names.collect();
                allowed.retain(|name| !names.contains(name));
            }
            false => allowed.extend(names),
        }
    }
    Ok(allowed)
}

fn calls_of(sets: &str, set: &str) -> Vec<String> {
    let lines = sets.lines().skip_while(|line| *line != set).skip(1);
    let names = lines.take_while(|line| line.starts_with(' ')).map(str::trim).filter(|name| !name.starts_with('#'));
    names.flat_map(|name| if name.starts_with('@') { calls_of(sets, name) } else { vec![name.to_owned()] }).collect()
}
