//! From `init` to a restore from the second repository alone.

use std::fs;

use super::place::{Place, names, objects};
use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::site::Run;

pub fn life(install: &'static Installation) -> Outcome {
    let place = Place::new(install, "")?;
    let segment = place.server.archive_all()?;
    for root in [place.site.repository(), place.offsite()] {
        assert_eq!(objects(&root, &segment)?.len(), 1, "archive_command writes to every one");
    }
    // A nearly full disk is a warning.
    let check = place.site.run(&["check"])?.status_in(0..=3)?;
    check.says(&["offsite: repository", "offsite: create-only", "repo, file://"])?;

    let first = place.backup()?;
    assert_eq!(place.listed()?, [(first.clone(), "local+offsite".to_owned())]);
    for kind in ["/packs/", "/manifests/", "/digests/", "/objects/", "/backups/"] {
        for (own, copied) in objects(&place.site.repository(), kind)?.iter().zip(objects(&place.offsite(), kind)?) {
            assert_eq!(fs::read(own)?, fs::read(copied)?, "{kind}");
        }
        assert_eq!(names(&place.site.repository(), kind)?, names(&place.offsite(), kind)?);
    }
    place.server.sql("insert into t values (1001)")?;
    place.server.archive_all()?;
    let (said, rows) = place.restored("both", &["--to", "latest"])?;
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(rows, "1001");
    assert_eq!(place.restored("named", &["--to", "latest", "--repository", "offsite"])?.1, "1001");
    unknown_name(&place)?;

    documented(&place)?;

    // The first is lost with its disk.
    fs::rename(place.site.repository(), place.site.path("lost"))?;
    let (said, rows) = place.restored("one", &["--to", "latest"])?;
    assert!(said.contains("repository local is left out"), "{said}");
    assert_eq!(rows, "1001");
    place.site.run(&["list"])?.ok()?.says(&["repository local is left out", &first])?;
    without_configuration(&place)?;

    // WAL waits for all that must have it, and goes on when they are back.
    place.server.sql("insert into t values (1002)")?;
    let waiting = place.server.switch_segment()?;
    place.server.wait_archive_failure(0)?;
    assert_eq!(objects(&place.offsite(), &waiting)?.len(), 1, "the other one has got it");
    fs::rename(place.site.path("lost"), place.site.repository())?;
    place.server.wait_archived(&waiting)?;
    assert_eq!(objects(&place.site.repository(), &waiting)?.len(), 1);
    place.site.run(&["copy", "--all"])?.ok()?.says(&["offsite has all that it should"])?;
    Ok(())
}

fn unknown_name(place: &Place) -> Outcome {
    let run = place.site.run(&["list", "--repository", "elsewhere"])?.status_is(2)?;
    run.says(&["has no repository \"elsewhere\"", "it has local, offsite"]).map(drop)
}

/// The URL and the key are enough.
fn without_configuration(place: &Place) -> Outcome {
    let url = format!("file://{}", place.offsite().display());
    let target = place.site.path("bare").display().to_string();
    let mut command = place.site.command(&[]);
    let program = command.get_program().to_owned();
    command = crate::support::account::account().command(program);
    command.env("PGCAIRN_IDENTITY", place.site.identity()).env("PGCAIRN_CONFIG", "/nonexistent");
    command.args(["restore", "--repository", &url, "--target-dir", &target, "--to", "latest", "--plan"]);
    Run::of(&mut command)?.ok().map(drop)
}

/// The commands of docs/repositories.md, in their order.
fn documented(place: &Place) -> Outcome {
    let document = include_str!("../../../docs/repositories.md");
    let blocks = document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert_eq!(commands.len(), 7, "{commands:?}");
    let (identity, target) =
        (place.site.identity().display().to_string(), place.site.path("bare").display().to_string());
    for command in commands {
        let command = command.replace("FILE", &identity).replace("DIRECTORY", &target);
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        place.site.run(&words)?.ok()?;
    }
    Ok(())
}
