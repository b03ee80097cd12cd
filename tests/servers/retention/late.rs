//! A backup that stood still for days, as on a suspended machine: expiry may have taken it for dead.

use std::fs;
use std::path::Path;

use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::Run;
use crate::support::wait::wait_for;

use super::aged::{Aged, listed, stored};

pub fn too_late(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let aged = Aged::new(install, "[backup]\njobs = 1\n", &[])?;
    let gate = aged.site.path("gate");
    for (when, is_deleted) in [("a backup that stood still", false), ("a backup that lost a part meanwhile", true)] {
        // Its last segment waits until all but its last objects are stored, and these have become old.
        wait_at(&aged, &gate)?;
        let mut backup = aged.site.command(&["backup", "--json"]);
        let backup = std::thread::spawn(move || Run::of(&mut backup).map_err(|stop| format!("{stop:?}")));
        let complete =
            || Ok(aged.site.objects("/manifests/")?.into_iter().find(|path| path.ends_with("2.jsonl.zst.age")));
        let part = wait_for("the manifest of the last part", complete)?.with_file_name("1.jsonl.zst.age");
        for directory in ["/packs/", "/manifests/", "/digests/"] {
            aged.site.objects(directory)?.iter().try_for_each(|object| stored(object, 5))?;
        }
        if is_deleted {
            fs::remove_file(&part)?;
        }
        account().write(&gate, "", 0o600)?;
        let run = backup.join().map_err(|_| "the backup panicked")??;
        document.compare(when, &aged.site, run)?;
        assert!(listed(&aged.site, &[])?.is_empty());
        for object in aged.site.objects("/manifests/")? {
            fs::remove_file(object)?;
        }
        fs::remove_file(&gate)?;
    }
    document.end()
}

/// As soon as the copy is complete nothing is archived until the gate is there.
fn wait_at(aged: &Aged, gate: &Path) -> Outcome {
    let (push, repository) = (aged.site.archive_command(), aged.site.repository());
    let copied = format!("ls {}/clusters/main/*/manifests/*/1.* >/dev/null 2>&1", repository.display());
    let wait = format!("while {copied} && test ! -e {}; do sleep 0.1; done", gate.display());
    aged.server.append_setting("archive_command", &format!("'{wait}; {}'", push.trim_matches('\'')))?;
    aged.server.reload()
}
