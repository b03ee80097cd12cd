//! What nobody may be shown: the secret of the access key, the session token, the identity that opens backups, the key
//! that signs. The id of an access key stands in every request and is no secret; we do not show it all the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::server::{S3Server, SECRET_KEY, session_token};
use crate::support::Outcome;
use crate::support::site::{Run, Site, binary};

/// Between two looks at who is running.
const PAUSE: Duration = Duration::from_millis(1);

pub struct Hidden {
    secrets: Vec<String>,
}

impl Hidden {
    pub fn of(site: &Site) -> Outcome<Hidden> {
        let identity = fs::read_to_string(site.identity())?.trim().to_owned();
        let pem = fs::read_to_string(site.signing_key())?;
        let signing = pem.lines().find(|line| !line.is_empty() && !line.starts_with('-')).ok_or("no key")?.to_owned();
        let secrets = vec![SECRET_KEY.to_owned(), session_token().to_owned(), identity, signing];
        assert!(secrets.iter().all(|secret| secret.len() >= SECRET_KEY.len()), "each is long enough to be found");
        Ok(Hidden { secrets })
    }

    pub fn is_not_in(&self, place: &str, bytes: &[u8]) {
        for (number, secret) in self.secrets.iter().enumerate() {
            let shown = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!shown, "secret {number} is shown by {place}");
        }
    }

    /// What the run said, without a secret in it.
    pub fn run(&self, run: Run) -> Outcome<Run> {
        self.is_not_in("standard output", run.stdout.as_bytes());
        self.is_not_in("standard error", run.stderr.as_bytes());
        Ok(run)
    }

    /// What says much, to people and as JSON.
    pub fn reports(&self, site: &Site) -> Outcome {
        for words in [
            &["check"][..],
            &["list"],
            &["show", "latest"],
            &["wal", "list"],
            &["status"],
            &["config", "check"],
            &["config", "show"],
            &["expire", "--dry-run"],
            &["hold", "latest", "--reason", "case 7"],
            &["release", "latest"],
            // It fails: there is no such backup.
            &["show", "19990101"],
        ] {
            for form in [&[][..], &["--json"]] {
                self.run(site.run_with_identity(&[words, form].concat())?)?;
            }
        }
        Ok(())
    }

    /// Every object, its name included.
    pub fn objects(&self, store: &S3Server) -> Outcome {
        let mut looked_at = 0;
        let mut open = vec![store.directory.path().join("buckets")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory)? {
                let path = entry?.path();
                self.is_not_in("the name of an object", path.display().to_string().as_bytes());
                match path.is_dir() {
                    true => open.push(path),
                    false => {
                        self.is_not_in(&path.display().to_string(), &fs::read(&path)?);
                        looked_at += 1;
                    }
                }
            }
        }
        assert!(looked_at > 10, "{looked_at} objects");
        Ok(())
    }

    pub fn file(&self, path: &Path) -> Outcome {
        self.is_not_in(&path.display().to_string(), &fs::read(path)?);
        Ok(())
    }

    /// Looks at the arguments of every pgcairn that runs meanwhile, whoever started it; the commands that were seen.
    pub fn watched<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, BTreeSet<String>)> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut seen = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    self.look(&mut seen);
                    std::thread::sleep(PAUSE);
                }
                seen
            });
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            over.store(true, Ordering::Relaxed);
            let seen = watch.join().map_err(|_| "a secret is an argument of a process")?;
            let worked = worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((worked, seen))
        })
    }

    fn look(&self, seen: &mut BTreeSet<String>) {
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let text = String::from_utf8_lossy(&arguments).replace('\0', " ");
            if text.contains(&binary().display().to_string()) {
                self.is_not_in("the list of processes", &arguments);
                let known = ["backup", "push", "restore", "check"].into_iter().filter(|word| text.contains(word));
                seen.extend(known.map(str::to_owned));
            }
        }
    }
}
