//! Two servers that archive under the same names, each into a repository of its own: what no server ever was is neither
//! restored nor fetched.

use std::ops::Range;

use super::place::{Place, names};
use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown, run};
use crate::support::site::{Run, Site};

/// A server with the site `local` + `offsite`, and a clone of it that archives into `offsite` alone. Both stand still.
struct Brains {
    place: Place,
    clone: Server,
    /// The site that the clone archives by.
    _archives: Site,
}

impl Brains {
    fn new(install: &'static Installation) -> Outcome<Brains> {
        let place = Place::new(install, "required = false\n")?;
        place.backup()?;
        place.server.archive_all()?;
        place.site.run(&["copy", "--all"])?.ok()?;
        place.server.stop(Shutdown::Fast)?;
        let copied = place.server.scratch().join("clone");
        run(account().command("/bin/cp").arg("-a").arg(place.server.data()).arg(&copied))?;
        let mut clone = Server::adopt(install, &copied)?;
        let mut other = Site::new(&clone)?;
        other.share_repository(&place.site)?;
        other.move_to(&format!("url = \"file://{}\"\n", place.offsite().display()))?;
        clone.append_setting("archive_command", &other.archive_command())?;
        clone.override_setting("archive_mode", "on");
        Ok(Brains { place, clone, _archives: other })
    }

    fn plan(&self, words: &[&str]) -> Outcome<Run> {
        let target = self.place.site.path("planned").display().to_string();
        let words = [&["restore", "--target-dir", &target, "--to", "latest", "--plan", "--json"], words].concat();
        self.place.site.run_with_identity(&words)
    }

    fn all(&self) -> Outcome<[Vec<String>; 2]> {
        Ok([names(&self.place.site.repository(), "/")?, names(&self.place.offsite(), "/")?])
    }

    /// Neither repository is spoilt by what the other has.
    fn copies_nothing(&self) -> Outcome<Run> {
        let before = self.all()?;
        self.place.site.run(&["copy", "--all", "--to", "local"])?.status_is(6)?.says(&["hold two histories"])?;
        let refused = self.place.site.run(&["copy", "--all", "--json"])?.status_is(6)?;
        assert_eq!(self.all()?, before);
        Ok(refused)
    }

    fn fetch(&self, name: &str, words: &[&str]) -> Outcome<Run> {
        let words = [&["wal", "fetch", name, "pg_wal/RECOVERYXLOG", "--json"], words].concat();
        let mut command = self.place.site.command(&words);
        command.env("PGCAIRN_IDENTITY", self.place.site.identity()).current_dir(self.place.server.data());
        Run::of(&mut command)
    }
}

/// A row for each value, and each in a segment of its own; the last segment.
fn rows(server: &Server, values: Range<u32>) -> Outcome<String> {
    let mut last = String::new();
    for value in values {
        server.sql(&format!("insert into t values ({value})"))?;
        last = server.archive_all()?;
    }
    Ok(last)
}

fn promote(server: &Server) -> Outcome {
    account().write(&server.data().join("recovery.signal"), "", 0o600)?;
    server.append_setting("restore_command", "'/bin/false'")?;
    server.start()?;
    server.wait_promoted()
}

/// Both went on, on one timeline; then the clone was promoted to another one.
pub fn split_brain(install: &'static Installation) -> Outcome {
    let brains = Brains::new(install)?;
    let (server, clone) = (&brains.place.server, &brains.clone);
    let mut document = Document::new();
    server.start()?;
    let common = rows(server, 1001..1002)?;
    server.stop(Shutdown::Fast)?;
    clone.start()?;
    let last = rows(clone, 2001..2004)?;
    clone.stop(Shutdown::Fast)?;

    let refused = brains.plan(&[])?.status_is(6)?.says(&["local", "offsite", "--repository local"])?;
    document.compare("two servers archived into a repository each", &brains.place.site, refused)?;
    brains.plan(&["--repository", "local"])?.ok()?;
    brains.plan(&["--repository", "offsite"])?.ok()?;
    brains.fetch(&common, &[])?.ok()?;
    let refused = brains.fetch(&last, &[])?.status_is(126)?;
    document.compare("wal fetch where two servers archived into a repository each", &brains.place.site, refused)?;
    brains.fetch(&last, &["--repository", "offsite"])?.ok()?;
    let refused = brains.copies_nothing()?;
    document.compare("copy where two servers archived into a repository each", &brains.place.site, refused)?;

    promote(clone)?;
    let last = rows(clone, 2004..2006)?;
    clone.stop(Shutdown::Fast)?;
    assert!(last.starts_with("00000002"), "{last}");
    brains.plan(&[])?.status_is(6)?.says(&["hold two histories: 00000001"])?;
    brains.plan(&["--repository", "offsite"])?.ok()?;
    brains.fetch(&last, &[])?.status_is(126)?.says(&["hold two histories: 00000001"])?;
    brains.copies_nothing()?;
    document.end()
}

/// Both were promoted to one timeline, at different moments.
pub fn promoted_twice(install: &'static Installation) -> Outcome {
    let brains = Brains::new(install)?;
    let (server, clone) = (&brains.place.server, &brains.clone);
    clone.start()?;
    rows(clone, 2000..2001)?;
    clone.stop(Shutdown::Fast)?;
    promote(server)?;
    rows(server, 1001..1003)?;
    server.stop(Shutdown::Fast)?;
    promote(clone)?;
    let last = rows(clone, 2001..2005)?;
    clone.stop(Shutdown::Fast)?;
    brains.plan(&[])?.status_is(6)?.says(&["local and offsite hold two histories: 00000002"])?;
    brains.plan(&["--repository", "local"])?.ok()?;
    brains.plan(&["--repository", "offsite"])?.ok()?;
    brains.fetch(&last, &[])?.status_is(126)?.says(&["hold two histories: 00000002"])?;
    brains.copies_nothing()?.says(&["hold two histories: 00000002"]).map(drop)
}

/// One history, of which the first has lost what the other has: nothing to refuse and nothing to doubt.
pub fn shared(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    place.backup()?;
    let mut names = Vec::new();
    for value in 1001..1006 {
        place.server.sql(&format!("insert into t values ({value})"))?;
        names.push(place.server.archive_all()?);
    }
    for lost in [&names[1], &names[3], &names[4]] {
        super::place::objects(&place.site.repository(), &format!("{lost}."))?
            .iter()
            .try_for_each(std::fs::remove_file)?;
    }
    std::fs::remove_file(super::place::objects(&place.offsite(), &format!("{}.", names[2]))?.remove(0))?;
    let (said, rows) = place.restored("target", &["--to", "latest"])?;
    assert_eq!(rows, "1005");
    assert!(!said.contains("warning"), "{said}");
    Ok(())
}
