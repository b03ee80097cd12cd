//! A recovery sheet, followed by somebody who has nothing else: another user, in a directory of their own.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::account::is_root;
use super::support::majors::Installation;
use super::support::server::{Server, Shutdown, run};
use super::support::site::{Site, binary};
use super::support::{Outcome, Scenario, skip};

/// Nobody.
const STRANGER: u32 = 65534;

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "recovery_sheet::followed", run: followed }]
}

fn followed(install: &'static Installation) -> Outcome {
    for program in ["age", "zstd", "jq", "openssl"] {
        if !["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists()) {
            return skip(format!("{program} is not installed"));
        }
    }
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    site.run(&["backup"])?.ok()?;
    server.sql("insert into t select generate_series(1001, 1234)")?;
    server.archive_all()?;
    let sheet = site.run(&["recovery-sheet", "--key-location", "the safe in Berlin"])?.ok()?;
    let sheet = sheet.says(&["the safe in Berlin", &site.public_key()?])?.stdout;
    let by_hand = site.run(&["recovery-sheet", "--by-hand"])?.ok()?.stdout;
    let secret = fs::read_to_string(site.identity())?;
    assert!(!sheet.contains(secret.trim()) && !by_hand.contains(secret.trim()), "a secret is on it");
    let client = server.program("psql").get_program().to_owned();
    server.stop(Shutdown::Immediate)?;

    let stranger = Stranger::new(install, &site, Path::new(&client))?;
    for (section, name) in [("Restore with pgcairn", "one"), ("Restore without pgcairn", "two")] {
        stranger.write("by-hand.sh", &by_hand)?;
        let commands = commands(&sheet, section);
        assert!(!commands.is_empty(), "{sheet}");
        // Packages are there already, and by hand the document looks whether it has ended.
        let commands: Vec<&str> = commands.into_iter().filter(|line| !line.starts_with("apt-get")).collect();
        let count = "until psql -h \"${SOCKETS:-$TARGET}\" -U postgres -d postgres -XAtc \
                     'select count(*) from t' | grep -x 1234; do sleep 0.2; done";
        let outcome = stranger.follow(name, &[&commands[..], &[&format!("SOCKETS=$TARGET; {count}")]].concat());
        stranger.follow(name, &["\"$PGBIN/pg_ctl\" -D \"$TARGET\" -m immediate stop"])?;
        outcome.map_err(|error| format!("{section}: {error:?}"))?;
    }
    Ok(())
}

/// The commands below a heading, as they stand there.
fn commands<'s>(sheet: &'s str, heading: &str) -> Vec<&'s str> {
    let (_, rest) = sheet.split_once(&format!("\n{heading}\n")).unwrap_or_default();
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    lines.take_while(|line| line.starts_with("    ")).map(str::trim).collect()
}

struct Stranger {
    home: PathBuf,
    bin: PathBuf,
    client: PathBuf,
}

impl Stranger {
    /// With the repository readable and a key in hand.
    fn new(install: &'static Installation, site: &Site, psql: &Path) -> Outcome<Stranger> {
        let home = site.path("stranger");
        fs::create_dir(&home)?;
        let stranger = Stranger {
            bin: install.bin().to_owned(),
            client: psql.parent().map(Path::to_owned).unwrap_or_default(),
            home,
        };
        // The directory of the site is its owner's.
        run(Command::new("chmod").arg("a+rx").arg(site.path(".")))?;
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(site.repository()))?;
        stranger.own(&stranger.home)?;
        stranger.write("identity.txt", &fs::read_to_string(site.identity())?)?;
        Ok(stranger)
    }

    fn own(&self, path: &Path) -> Outcome {
        if is_root() {
            std::os::unix::fs::chown(path, Some(STRANGER), Some(STRANGER))?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Outcome {
        fs::write(self.home.join(name), text)?;
        self.own(&self.home.join(name))
    }

    /// In bash, with the names of the sheet corrected.
    fn follow(&self, target: &str, commands: &[&str]) -> Outcome<String> {
        let names = [
            format!("IDENTITY={}", self.home.join("identity.txt").display()),
            format!("TARGET={}", self.home.join(target).display()),
            format!("PGBIN={}", self.bin.display()),
        ];
        let script = format!("set -eu\n{}\n{}\n", names.join("\n"), commands.join("\n"));
        let directories = [
            binary().parent().unwrap_or(Path::new("/")),
            &self.client,
            Path::new("/usr/local/bin"),
            Path::new("/usr/bin"),
            Path::new("/bin"),
        ];
        let mut command = Command::new("/usr/bin/timeout");
        command.args(["120", "/bin/bash", "-c", &script]).current_dir(&self.home).env_clear();
        command.env("PATH", std::env::join_paths(directories)?).env("HOME", &self.home).env("LC_ALL", "C.UTF-8");
        if is_root() {
            command.uid(STRANGER).gid(STRANGER);
        }
        run(&mut command)
    }
}
