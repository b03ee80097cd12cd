//! Root that cannot become anybody, the demo that finds no PostgreSQL, and what `check` finds.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::server::Server;
use super::super::support::site::{Run, Site, binary};
use super::super::support::{Outcome, summary};
use super::{Document, archiving};

/// In a private view of the file system: what is mounted there, nobody else sees.
const UNSHARE: &str = "/usr/bin/unshare";

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = archiving(install)?;
    findings(&mut document, &site, &server)?;
    broken_installations(&mut document, &site)?;
    if is_root() {
        ownership(&mut document, &site)?;
        demo_as_root(&mut document, &site)?;
    } else {
        summary::left_out(install.major, "refusals::own users and demo", "only root becomes another user");
    }
    document.end()
}

fn findings(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let mut looked = site.fork()?;
    looked.configure("[objectives]\nrpo = \"30s\"\n")?;
    server.append_setting("archive_timeout", "60")?;
    server.append_setting("archive_command", "'/bin/cp %p /dev/null'")?;
    server.reload()?;
    let check = looked.run(&["check", "--json"])?;
    document.found("archive_timeout is longer than the objective", &looked, &check, "archive_timeout")?;
    document.found("archive_command calls something else", &looked, &check, "archive_command")?;
    looked.archive_from(server)?;
    let check = looked.run_with_identity(&["check", "--json"])?.status_is(3)?;
    document.found("the key lies on the database host", &looked, &check, "identity")?;
    let other = looked.path("other-identity").display().to_string();
    looked.run(&["key", "generate", "--output", &other])?.ok()?;
    let check = looked.run(&["check", "--identity", &other, "--json"])?.status_is(9)?;
    document.found("the key at hand is none of the recipients'", &looked, &check, "identity")?;
    server.append_setting("archive_timeout", "30")?;
    site.archive_from(server)?;
    looked.archive_from(server)?;
    looked.run(&["check"])?.ok().map(drop)
}

/// Programs that answer and then fail.
fn broken_installations(document: &mut Document, site: &Site) -> Outcome {
    let bin = site.path("bin");
    account().make_dir(&bin)?;
    account().make_dir(&site.path("t"))?;
    let put = |name: &str, text: &str| account().write(&bin.join(name), format!("#!/bin/sh\n{text}\n"), 0o755);
    put(
        "postgres",
        "[ \"$1\" = --version ] && exec echo 'postgres (PostgreSQL) 18.4'\necho 'FATAL:  no luck' >&2; exit 1",
    )?;
    put("initdb", "echo 'initdb: error: no luck' >&2; exit 1")?;
    let demo = || {
        let mut demo = account().command(binary());
        Run::of(demo.env("TMPDIR", site.path("t")).args(["demo", "--json", "--bindir"]).arg(&bin))
    };
    document.compare("the demo's cluster cannot be made", site, demo()?)?;
    put("initdb", "exit 0")?;
    document.compare("the demo's server does not start", site, demo()?)?;
    Ok(())
}

/// What a shell does as root in a view of its own; `None` where there is none to be had.
fn unshared(script: &str) -> Outcome<Option<Run>> {
    let may = Command::new(UNSHARE).args(["-m", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let mut shell = Command::new(UNSHARE);
    shell.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TZ", "UTC").current_dir("/");
    Run::of(shell.args(["-m", "sh", "-ec", script])).map(Some)
}

impl Document {
    fn compare_unshared(&mut self, when: &str, site: &Site, script: &str) -> Outcome {
        match unshared(script)? {
            Some(run) => self.compare(when, site, run).map(drop),
            None => Ok(()),
        }
    }
}

/// A machine without the users that PostgreSQL could run as.
fn without_users(site: &Site) -> Outcome<String> {
    let passwd = site.path("passwd");
    account().write(&passwd, "root:x:0:0:root:/root:/bin/sh\n", 0o644)?;
    let sources = site.path("nsswitch.conf");
    account().write(&sources, "passwd: files\ngroup: files\n", 0o644)?;
    let mounts = [(passwd, "/etc/passwd"), (sources, "/etc/nsswitch.conf")]
        .map(|(file, place)| format!("touch {place}; mount --bind {} {place}; ", file.display()));
    Ok(format!("{}exec {}", mounts.concat(), binary().display()))
}

fn configuration(site: &Site, data: &Path, repository: &Path) -> Outcome<PathBuf> {
    let file = site.path("main.toml");
    let recipient = site.recipient.clone().unwrap_or_default();
    let text = format!(
        "state_dir = {:?}\n[postgres]\ndata_dir = {data:?}\n[encryption]\nrecipients = [{recipient:?}]\n\
         [[repository]]\nname = \"local\"\nurl = \"file://{}\"\n",
        site.state_dir(),
        repository.display()
    );
    account().write(&file, text, 0o644)?;
    Ok(file)
}

fn ownership(document: &mut Document, site: &Site) -> Outcome {
    let site = site.fork()?;
    let nowhere = configuration(&site, Path::new("/nonexistent/data"), &site.repository())?;
    let backup = format!("{} -c {} backup --json", without_users(&site)?, nowhere.display());
    document.compare_unshared("root finds no owner", &site, &backup)?;
    let demo = format!("{} demo --json", without_users(&site)?);
    document.compare_unshared("root finds nobody to run the demo", &site, &demo)?;

    let data = site.data().to_owned();
    let nothing = configuration(&site, &data, Path::new("/proc/pgcairn"))?;
    let mut init = Command::new(binary());
    let run = Run::of(init.arg("-c").arg(&nothing).args(["init", "--json"]))?;
    document.compare("root cannot make the repository's directory", &site, run)?;

    let file = configuration(&site, &data, &site.repository())?;
    let mut bound = Command::new("/usr/bin/setpriv");
    bound.args(["--bounding-set", "-setgid,-setuid"]).arg(binary()).arg("-c").arg(&file).args(["backup", "--json"]);
    match Run::of(&mut bound) {
        Ok(run) => document.compare("root may not become the owner", &site, run).map(drop),
        Err(_) => Ok(()),
    }
}

fn demo_as_root(document: &mut Document, site: &Site) -> Outcome {
    let binary = binary().display();
    let without = format!("mount -t tmpfs tmpfs /usr/lib/postgresql; exec {binary} demo --json");
    if Path::new("/usr/lib/postgresql").is_dir() {
        document.compare_unshared("no PostgreSQL for the demo", site, &without)?;
    }
    let full = format!(
        "mount -t tmpfs tmpfs /mnt; cp {binary} /mnt; mount -t tmpfs -o ro tmpfs /tmp; exec /mnt/pgcairn demo --json"
    );
    if Path::new("/usr/lib/postgresql").is_dir() {
        document.compare_unshared("no room for the demo", site, &full)?;
    }
    let little = format!("mount -t tmpfs -o size=8m,mode=1777 tmpfs /mnt; TMPDIR=/mnt exec {binary} demo --json");
    document.compare_unshared("too little disk for the demo", site, &little)?;
    let closed = site.path("closed");
    account().make_dir(&closed)?;
    std::os::unix::fs::chown(&closed, Some(0), Some(0))?;
    std::fs::hard_link(super::binary(), closed.join("pgcairn"))?;
    let mut demo = Command::new(closed.join("pgcairn"));
    document.compare("the server's user cannot reach pgcairn", site, Run::of(demo.args(["demo", "--json"]))?)?;
    Ok(())
}
