//! A store that speaks S3, on this machine and in a process of its own, so that its work is not taken for pgcairn's.

pub mod plain;
pub mod serve;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use pgcairn::store::{Credentials, S3Settings};

use crate::measure::{Measured, cpu_of};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::scratch::{self, Scratch};
use crate::support::server::Server;
use crate::support::site::Site;

const BUCKET: &str = "backups";
const REGION: &str = "eu-test-1";
const ACCESS_KEY: &str = "AKIDOFTHEBENCH";
const SECRET_KEY: &str = "hush-hush-secret";

/// What tells this binary that it is to serve, and what.
pub const SERVE: &str = "PGCAIRN_BENCH_SERVE";

pub struct Store {
    endpoint: String,
    scratch: Scratch,
    process: Child,
}

impl Store {
    /// With one empty bucket.
    pub fn start() -> Outcome<Store> {
        let scratch = Scratch::new()?;
        let root = scratch.join("buckets");
        std::fs::create_dir_all(root.join(BUCKET))?;
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.env(SERVE, &root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut endpoint = String::new();
        let stdout = process.stdout.take().ok_or("the store says nothing")?;
        BufReader::new(stdout).read_line(&mut endpoint)?;
        let store = Store { endpoint: endpoint.trim().to_owned(), scratch, process };
        let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
        account().write(&store.credentials(), text, 0o600)?;
        Ok(store)
    }

    fn credentials(&self) -> PathBuf {
        // Where the account of the servers may look.
        scratch::root().join("credentials")
    }

    /// A place of its own in the bucket, with a repository in it.
    pub fn site(&self, server: &Server, prefix: &str) -> Outcome<Site> {
        let mut site = Site::new(server)?;
        site.move_to(&format!(
            "url = \"s3://{BUCKET}/{prefix}?region={REGION}\"\nendpoint = \"{}\"\ncredentials = {{ file = {:?} }}\n",
            self.endpoint,
            self.credentials()
        ))?;
        site.init()?;
        Ok(site)
    }

    pub fn settings(&self, prefix: &str) -> S3Settings {
        S3Settings {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(self.endpoint.clone()),
            region: Some(REGION.to_owned()),
            credentials: Credentials::File { path: self.credentials(), profile: None },
            ..S3Settings::default()
        }
    }

    /// Everything below a prefix goes, past the store.
    pub fn forget(&self, prefix: &str) {
        scratch::remove(&self.scratch.join("buckets").join(BUCKET).join(prefix));
    }

    /// A run, with the processor time that the store took for it.
    pub fn serving(&self, run: impl FnOnce() -> Outcome<Measured>) -> Outcome<Measured> {
        let before = cpu_of(self.process.id())?;
        let measured = run()?;
        Ok(Measured { store_cpu: cpu_of(self.process.id())? - before, ..measured })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
