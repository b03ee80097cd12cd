//! `init`: where its settings cannot be written, and where no repository can be made.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::server::{Server, run};
use super::super::support::site::{Run, Site, binary};
use super::super::support::{Outcome, summary};
use super::{Document, follow, hint};

const STRACE: &str = "/usr/bin/strace";

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let server = Server::builder(install).create()?;
    written(&mut document, &server)?;
    places(&mut document, &server)?;
    file_system(&mut document, &server)?;
    document.end()
}

/// `--write` is refused before anything is made; what the hint says works in its place.
fn written(document: &mut Document, server: &Server) -> Outcome {
    let (site, write) = (Site::new(server)?, ["init", "--write"]);
    document.refuses("init --write without a server", &site, &write)?;
    assert!(!site.repository().exists(), "refused, and something was made");
    server.start()?;
    let refused = document.refuses("init --write where no directory is included", &site, &write)?;
    assert!(!site.repository().exists(), "refused, and something was made");
    follow(server, &hint(&refused)?)?;
    let included = server.data().join("conf.d");
    account().make_dir(&included)?;
    chmod(&included, "0500")?;
    let refused = document.refuses("init --write where it may not write", &site, &write)?;
    follow(server, &hint(&refused)?)?;
    chmod(&included, "0700")?;
    site.run(&write)?.ok()?;
    assert!(fs::read_to_string(included.join("pgcairn.conf"))?.contains("archive_command = "));
    Ok(())
}

fn places(document: &mut Document, server: &Server) -> Outcome {
    let site = Site::new(server)?;
    chmod(&site.path(""), "0500")?;
    let refused = document.refuses("init where the directory may not be made", &site, &["init"])?;
    if is_root() {
        // As the hint says it, but for sudo, which not every machine has.
        assert!(hint(&refused)?.starts_with("sudo pgcairn "), "{}", refused.report());
        Run::of(Command::new(binary()).arg("-c").arg(site.config()).arg("init"))?.ok()?;
        site.run(&["list"])?.ok()?;
    } else {
        summary::left_out(server.install.major, "refusals::init by root", "this is not root");
    }
    chmod(&site.path(""), "0700")?;
    let mut absent = Site::new(server)?;
    absent.identify("6f1d3c5a90b24e7788c2d4015be3f96a")?;
    document.refuses("init where a repository with an id should be", &absent, &["init"])?;
    assert!(!absent.repository().exists(), "refused, and something was made");
    recreated(document, &mut absent)
}

/// What the hint says makes it anew, and nothing but what is lost.
fn recreated(document: &mut Document, site: &mut Site) -> Outcome {
    let recreate = ["init", "--recreate"];
    let made = site.run(&["init", "--recreate", "--json"])?.ok()?.json()?;
    let id = made["repository_id"].as_str().unwrap_or_default().to_owned();
    let steps = made["recreated"]["steps"].as_array().cloned().unwrap_or_default();
    let step = |n: usize| steps.get(n).and_then(Value::as_str).unwrap_or_default();
    assert!(step(0).starts_with(&format!("id = \"{id}\" for local in ")), "{made}");
    assert!(step(1).contains(" backup --hold ") && steps.len() == 4, "{made}");
    site.run(&["list"])?.status_is(7)?;
    site.identify(&id)?;
    site.run(&["list"])?.ok()?;
    document.refuses("init --recreate where none is lost", site, &recreate)?;

    // Without its marker it is no repository; what is in it may be all that there is.
    let (marker, away) = (site.repository().join("pgcairn.json"), site.path("away"));
    account().make_dir(&site.repository().join("clusters"))?;
    fs::rename(&marker, &away)?;
    document.refuses("init --recreate where something is left", site, &recreate)?;
    assert!(!marker.exists(), "refused, and something was made");
    Ok(())
}

/// What the file system answers is put in by strace.
fn file_system(document: &mut Document, server: &Server) -> Outcome {
    if !Path::new(STRACE).exists() {
        summary::left_out(server.install.major, "refusals::init file system", "strace is not installed");
        return Ok(());
    }
    let site = Site::new(server)?;
    let mut strace = account().command(STRACE);
    strace.args(["-f", "-q", "-o", "/dev/null", "-e", "trace=linkat,renameat2", "-e", "signal=none"]);
    strace.args(["-e", "inject=linkat:error=EPERM", "-e", "inject=renameat2:error=EINVAL"]);
    let command = site.command(&["init", "--json"]);
    let run = Run::of(strace.arg(command.get_program()).args(command.get_args()))?;
    document.compare("the store cannot but overwrite", &site, run)?;
    site.run(&["list"])?.status_is(7)?;
    Ok(())
}

fn chmod(path: &Path, mode: &str) -> Outcome {
    run(account().command("/bin/chmod").arg(mode).arg(path)).map(drop)
}
