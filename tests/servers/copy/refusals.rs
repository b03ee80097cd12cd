//! What a restore refuses, before it writes anything.

use std::fs;
use std::path::Path;

use super::quiet::{Quiet, quiet};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::mounted::Mounted;
use crate::support::scratch::Scratch;
use crate::support::site::Run;

pub fn target_refused(install: &'static Installation) -> Outcome {
    let quiet = quiet(install)?;
    let scratch = Scratch::new()?;
    let fast = quiet.fast().display().to_string();
    let path = |name: &str| scratch.join(name);
    let moved = format!("{fast}={}", path("moved").display());

    account().make_dir(&path("full"))?;
    account().write(&path("full").join("precious"), "data", 0o600)?;
    restore(&quiet, &path("full"), &["--tablespace", &moved])?
        .status_is(4)?
        .says(&["is not empty: it holds precious"])?;
    assert_eq!(fs::read_dir(path("full"))?.count(), 1);

    // Its own data directory, with the server running on it.
    let pid = quiet.server.pid().unwrap_or(0).to_string();
    let own = restore(&quiet, quiet.server.data(), &["--tablespace", &moved])?;
    own.status_is(4)?.says(&["a server with process id", &pid, "runs on"])?;
    quiet.server.psql("select 1")?;

    let nowhere = ["--tablespace".to_owned(), format!("/not/there={}", path("moved").display())];
    let refusals: [(&[&str], i32, &[&str]); 5] = [
        (&[], 4, &[&format!("tablespace directory {fast} is not empty"), &format!("--tablespace {fast}=NEW")]),
        (&[&nowhere[0], &nowhere[1]], 2, &["the backup has no tablespace at /not/there", &fast]),
        (
            &["--tablespace", &format!("{fast}={}", path("full").display())],
            4,
            &["full is not empty", &format!("--tablespace {fast}=NEW")],
        ),
        (&["--tablespace", &format!("{fast}={}", path("new/inside").display())], 4, &["overlaps with"]),
        (&["--tablespace", &format!("{fast}={}", scratch.path().display())], 4, &["overlaps with"]),
    ];
    for (arguments, status, says) in refusals {
        restore(&quiet, &path("new"), arguments)?.status_is(status)?.says(says)?;
        assert!(!path("new").exists() && !path("moved").exists(), "written in spite of a refusal: {arguments:?}");
    }
    assert_eq!(fs::read_dir(path("full"))?.count(), 1);

    restore(&quiet, &path("new"), &["--tablespace", &moved, "--plan"])?
        .ok()?
        .says(&[&path("moved").display().to_string()])?;
    assert!(!path("new").exists() && !path("moved").exists(), "a plan was carried out");
    Ok(())
}

fn restore(quiet: &Quiet, target: &Path, arguments: &[&str]) -> Outcome<Run> {
    let target = target.display().to_string();
    let whole = [&["restore", "--backup", &quiet.id, "--target-dir", &target], arguments].concat();
    quiet.site.run_with_identity(&whole)
}

pub fn too_little_disk(install: &'static Installation) -> Outcome {
    let quiet = quiet(install)?;
    let scratch = Scratch::new()?;
    let (small, elsewhere) = (scratch.join("small"), scratch.join("elsewhere"));
    let _small = Mounted::over(&small, "size=4m,mode=0777")?;
    let mapping = |to: &Path| format!("{}={}", quiet.fast().display(), to.display());
    let target = restore(&quiet, &small.join("target"), &["--tablespace", &mapping(&elsewhere)])?.status_is(4)?;
    target.says(&[" bytes, ", " are free", &small.display().to_string()])?;
    let tablespace = restore(&quiet, &elsewhere, &["--tablespace", &mapping(&small.join("fast"))])?.status_is(4)?;
    tablespace.says(&[" bytes, ", " are free", &small.display().to_string()])?;
    assert_eq!(fs::read_dir(&small)?.count(), 0);
    assert!(!elsewhere.exists());
    Ok(())
}
