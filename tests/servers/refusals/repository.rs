//! The repository: missing, another, newer, closed in another way.

use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::server::{Server, run};
use super::super::support::site::{Run, Site, binary};
use super::super::support::{Outcome, damage, summary};
use super::{Document, hint};

pub fn refusals(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).create()?;
    let site = Site::new(&server)?;
    let mut document = Document::new();
    missing(&mut document, &site)?;
    unlike(&mut document, &site)?;
    without_encryption(&mut document, &server)?;
    several_clusters(&mut document, &server)?;
    not_create_only(&mut document, &server)?;
    no_right(&mut document, &server)?;
    document.end()
}

fn missing(document: &mut Document, site: &Site) -> Outcome {
    document.refuses("no repository at this place", site, &["list"])?;
    let elsewhere = ["list", "--repository", "file:///nonexistent/pgcairn"];
    document.refuses("--repository names no repository", site, &elsewhere)?;
    document.refuses("--no-encryption beside recipients", site, &["init", "--no-encryption"])?;
    site.init()?;
    site.run(&["list"])?.ok()?;
    document.refuses("show without a backup", site, &["show", "latest"])?;
    std::fs::rename(site.repository(), site.path("elsewhere"))?;
    account().make_dir(&site.repository())?;
    document.refuses("the repository is not mounted", site, &["list"])?;
    std::fs::remove_dir(site.repository())?;
    std::fs::rename(site.path("elsewhere"), site.repository())?;
    site.run(&["list"])?.ok().map(drop)
}

fn unlike(document: &mut Document, site: &Site) -> Outcome {
    let marker = |site: &Site, from: &str, to: &str| {
        damage::edit(&site.object("pgcairn.json")?, |bytes| {
            *bytes = String::from_utf8_lossy(bytes).replace(from, to).into_bytes();
        })
    };
    let newer = site.fork()?;
    marker(&newer, "\"minimum_reader\":1", "\"minimum_reader\":2")?;
    document.refuses("the repository needs a newer pgcairn", &newer, &["list"])?;
    let damaged = site.fork()?;
    marker(&damaged, "\"format\"", "format")?;
    document.refuses("the repository's marker is damaged", &damaged, &["list"])?;
    let mut other = site.fork()?;
    other.configure("id = \"00000000000000000000000000000000\"\n")?;
    document.refuses("another repository than the configured one", &other, &["list"])?;
    Ok(())
}

fn without_encryption(document: &mut Document, server: &Server) -> Outcome {
    let plain = Site::unencrypted(server)?;
    document.refuses("no recipients", &plain, &["init"])?;
    plain.init()?;
    let mut confused = plain.fork()?;
    confused.recipient = Some("age15w6sa4sau9qptrpzrh3df55y2zc7vahmwnqzqmwqfa3regzpa94s3w6kny".to_owned());
    confused.configure("")?;
    document.refuses("recipients for a repository without encryption", &confused, &["init"])?;
    Ok(())
}

/// A second cluster, and no configuration that names one of them.
fn several_clusters(document: &mut Document, server: &Server) -> Outcome {
    let site = Site::new(server)?;
    site.init()?;
    let clusters = site.repository().join("clusters");
    for name in ["main", "other"] {
        run(account().command("/bin/mkdir").arg("-p").arg(clusters.join(name).join("7461093382717234431/wal")))?;
    }
    let url = format!("file://{}", site.repository().display());
    let list = |more: &[&str]| {
        let words = [&["wal", "list", "--repository", &url], more].concat();
        Run::of(account().command(binary()).args(words))
    };
    let refused = document.compare("several clusters, and none is named", &site, list(&["--json"])?)?;
    let hint = hint(&refused)?;
    list(&hint.split(" or ").next().unwrap_or_default().split(' ').collect::<Vec<_>>())?.ok()?;
    document.compare("a cluster that the repository does not hold", &site, list(&["--cluster", "third", "--json"])?)?;
    list(&["--cluster", "other"])?.ok().map(drop)
}

/// A file system that lets everybody make the same name: strace answers for it.
fn not_create_only(document: &mut Document, server: &Server) -> Outcome {
    let site = Site::new(server)?;
    let mut strace = account().command("/usr/bin/strace");
    strace.args(["-f", "-q", "-o", "/dev/null", "-e", "trace=linkat", "-e", "inject=linkat:retval=0"]);
    strace.arg(binary()).arg("--config").arg(site.config()).args(["init", "--json"]);
    document.compare("the store lets objects be made twice", &site, Run::of(&mut strace)?)?;
    Ok(())
}

fn no_right(document: &mut Document, server: &Server) -> Outcome {
    let site = Site::new(server)?;
    site.init()?;
    let mut chmod = account().command("/bin/chmod");
    run(chmod.arg("0000").arg(site.repository()))?;
    document.refuses("the repository may not be read", &site, &["list"])?;
    let mut chmod = account().command("/bin/chmod");
    run(chmod.arg("0750").arg(site.repository()))?;
    site.run(&["list"])?.ok()?;
    if is_root() {
        let foreign = Server::builder(server.install).create()?;
        let site = Site::new(&foreign)?;
        std::os::unix::fs::chown(foreign.data(), Some(0), Some(0))?;
        document.refuses("run as a third user", &site, &["backup"])?;
    } else {
        summary::left_out(server.install.major, "refusals::repository third user", "only root may chown");
    }
    Ok(())
}
