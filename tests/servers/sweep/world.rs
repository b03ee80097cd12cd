//! A server, and a bucket with a repository that has something to expire, to copy, to fetch and to restore. Every
//! trial has a copy of it for itself, in a bucket of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::tree;
use super::work::Work;
use crate::s3::server::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::{self, Scratch};
use crate::support::server::{Server, run};
use crate::support::site::{Run, Site, binary};
use crate::support::{Outcome, small};

/// What is swept calls the store by this name, and the archiver by the other.
pub const HOST: &str = "127.0.0.1";
const ARCHIVER_HOST: &str = "localhost";

const BASE: &str = "base";

pub struct World {
    pub store: S3Server,
    server: Server,
    site: Site,
    scratch: Scratch,
    /// One whose grace time is over, one that expiry drops, one that it keeps.
    pub ids: [String; 3],
    /// The last one, after every backup, and what is in it.
    segment: String,
    pub segment_content: Vec<u8>,
    /// The newest backup, restored without a fault.
    pub reference: PathBuf,
    cases: AtomicUsize,
}

/// A copy of the repository, and who works on it.
pub struct Case {
    pub work: Work,
    pub name: String,
    config: PathBuf,
    pub target: PathBuf,
}

impl World {
    pub fn new(install: &'static Installation) -> Outcome<World> {
        let store = S3Server::start();
        let builder = Server::builder(install).segment_mib(1).setting("archive_mode", "on");
        let server = builder.setting("wal_keep_size", "512MB").start()?;
        server.sql("update pg_database set datistemplate = false")?;
        ["template0", "template1"]
            .iter()
            .try_for_each(|name| server.sql(&format!("drop database {name}")).map(drop))?;
        fs::create_dir(store.directory.path().join("buckets").join(BASE))?;
        let (mut site, scratch) = (Site::new(&server)?, Scratch::new()?);
        let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
        account().write(&scratch.join("credentials"), text, 0o600)?;
        let main = place(&store, &scratch, HOST, &format!("{BASE}/main"));
        site.move_to(&main)?;
        small::one_worker(&mut site)?;
        site.init()?;
        let reference = scratch.join("reference");
        let (ids, segment, segment_content, cases) = Default::default();
        let mut world = World { store, server, site, scratch, ids, segment, segment_content, reference, cases };
        world.archive_to(BASE)?;
        let archiver = world.site.path("archiver.toml").display().to_string();
        let command = format!("'{} --config {archiver} wal push %p'", binary().display());
        world.server.append_setting("archive_command", &command)?;
        world.server.reload()?;
        world.fill()?;
        Ok(world)
    }

    fn fill(&mut self) -> Outcome {
        self.server.sql("create table seen (n int)")?;
        for number in 0..3 {
            self.server.sql(&format!("insert into seen values ({number})"))?;
            self.ids[number] = small::backup(&self.site)?;
            if number == 1 {
                // The window of the rules by which expiry goes here.
                std::thread::sleep(Duration::from_secs(2));
                self.expire_the_first()?;
            }
        }
        self.server.sql("insert into seen values (3)")?;
        self.segment = self.server.archive_all()?;
        self.segment_content = fs::read(self.segment_path())?;
        // The other repository is empty.
        let both = self.config("both", Work::Copy, HOST, BASE)?;
        Run::of(account().command(binary()).arg("--config").arg(both).arg("init"))?.ok()?;
        let reference = self.reference.display().to_string();
        let words = ["restore", "--target-dir", &reference, "--backup", &self.ids[2], "--action", "promote"];
        self.site.run_with_identity(&words)?.ok()?;
        std::thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    fn expire_the_first(&self) -> Outcome {
        let config = self.config("first", Work::Expire, HOST, BASE)?;
        Run::of(account().command(binary()).arg("--config").arg(config).args(["expire", "--yes"]))?.ok()?;
        let when = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
        for (name, path) in tree::files(&self.repository(BASE, "main"))? {
            if ["/trash/", "/condemned/", &self.ids[0]].iter().any(|part| name.contains(part)) {
                fs::File::options().write(true).open(path)?.set_modified(when)?;
            }
        }
        Ok(())
    }

    /// Where the store keeps the objects of `main` or `other`.
    pub fn repository(&self, name: &str, which: &str) -> PathBuf {
        self.buckets().join(name).join(which)
    }

    pub fn untouched(&self, which: &str) -> PathBuf {
        self.repository(BASE, which)
    }

    fn buckets(&self) -> PathBuf {
        self.store.directory.path().join("buckets")
    }

    fn segment_path(&self) -> PathBuf {
        self.server.data().join("pg_wal").join(&self.segment)
    }

    /// Whether this object is the segment that is yet to be pushed.
    pub fn is_segment(&self, name: &str) -> bool {
        name.contains(&self.segment)
    }

    fn config(&self, file: &str, work: Work, host: &str, name: &str) -> Outcome<PathBuf> {
        let text = fs::read_to_string(self.site.config())?;
        let before = place(&self.store, &self.scratch, HOST, &format!("{BASE}/main"));
        let after = place(&self.store, &self.scratch, host, &format!("{name}/main"));
        assert!(text.contains(&before), "{text}");
        let other = place(&self.store, &self.scratch, host, &format!("{name}/other"));
        // Beside the key that signs.
        let config = self.site.path(&format!("{file}.toml"));
        account().write(&config, text.replace(&before, &after) + &work.lines(&other), 0o644)?;
        Ok(config)
    }

    fn archive_to(&self, name: &str) -> Outcome {
        self.config("archiver", Work::Push, ARCHIVER_HOST, name).map(drop)
    }

    pub fn case(&self, work: Work) -> Outcome<Case> {
        let name = format!("case{:05}", self.cases.fetch_add(1, Ordering::Relaxed));
        run(std::process::Command::new("cp").arg("-a").arg(self.buckets().join(BASE)).arg(self.buckets().join(&name)))?;
        if work == Work::Push {
            let pushed = tree::files(&self.repository(&name, "main"))?.into_iter().filter(|(n, _)| self.is_segment(n));
            pushed.map(|(_, path)| path).try_for_each(fs::remove_file)?;
        }
        if work == Work::Backup {
            self.archive_to(&name)?;
        }
        let config = self.config(&name, work, HOST, &name)?;
        let target = self.scratch.join(&format!("{name}.target"));
        Ok(Case { work, name, config, target })
    }

    pub fn run(&self, case: &Case) -> Outcome<Run> {
        let (path, target) = (self.segment_path().display().to_string(), case.target.display().to_string());
        self.say(case, &case.work.words(&self.segment, &path, &self.ids[2], &target))
    }

    /// Another command on the same repository.
    pub fn say(&self, case: &Case, words: &[&str]) -> Outcome<Run> {
        let mut command = account().command(binary());
        command.arg("--config").arg(&case.config).args(words).current_dir(self.server.data());
        Run::of(command.env("PGCAIRN_IDENTITY", self.site.identity()))
    }

    /// The segment as the repository has it.
    pub fn fetched(&self, case: &Case) -> Outcome<Vec<u8>> {
        let file = case.target.with_extension("fetched");
        self.say(case, &["wal", "fetch", &self.segment, &file.display().to_string()])?.ok()?;
        Ok(fs::read(file)?)
    }

    /// Room for the next ones.
    pub fn done(&self, case: Case) {
        scratch::remove(&self.buckets().join(&case.name));
        scratch::remove(&case.target);
    }

    /// What all of this leaves is a repository from which a server comes back.
    pub fn restored_at_last(&self) -> Outcome {
        let case = self.case(Work::Backup)?;
        self.run(&case)?.ok()?;
        self.server.sql("insert into seen values (4)")?;
        self.server.archive_all()?;
        let target = case.target.display().to_string();
        self.say(&case, &["restore", "--target-dir", &target, "--to", "latest", "--action", "promote"])?.ok()?;
        let copy = Server::adopt(self.server.install, &case.target)?;
        copy.start()?;
        copy.wait_promoted()?;
        assert_eq!(copy.value("select count(*) from seen")?, "5");
        Ok(())
    }
}

fn place(store: &S3Server, scratch: &Scratch, host: &str, place: &str) -> String {
    let endpoint = store.endpoint.replace(HOST, host);
    let credentials = scratch.join("credentials");
    format!(
        "url = \"s3://{place}?region={REGION}\"\nendpoint = \"{endpoint}\"\n\
         credentials = {{ file = {credentials:?} }}\n"
    )
}

/// Whether the directory could be taken for a restored one.
pub fn looks_whole(target: &Path) -> bool {
    target.join("global/pg_control").exists()
}
