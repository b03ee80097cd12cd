//! Root becomes the owner, third users are refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use insta::assert_snapshot;

use super::support::{CONFIG, NOBODY, Place, is_root, mode};

/// A user that is neither root nor `nobody`, nor known by name.
const STRANGER: u32 = 54_321;

fn skipped() -> bool {
    if !is_root() {
        eprintln!("skipped: only root can become other users");
    }
    !is_root()
}

/// A data directory that belongs to `nobody`, and no server.
fn place_of_nobody() -> Place {
    let place = Place::with_config();
    place.write("main.toml", &CONFIG.replace("[encryption]", "connection = \"host=DIR user=nobody\"\n[encryption]"));
    chown(place.path("data"), Some(NOBODY), Some(NOBODY)).unwrap();
    place
}

#[test]
fn a_third_user_is_refused_with_the_line_for_sudo() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    assert_snapshot!(place.run_as(STRANGER, &["-c", "main.toml", "backup", "--label", "why=a reason"]));
    assert_eq!(place.run_as(STRANGER, &["-c", "main.toml", "list"]).status, Some(8));
    assert_eq!(place.run_as(STRANGER, &["-c", "main.toml", "wal", "push", "x"]).status, Some(8));
}

#[test]
fn a_third_user_is_refused_where_it_may_not_look_too() {
    if skipped() {
        return;
    }
    let place = Place::new();
    let closed = place.make_directory("closed");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    chown(closed, Some(NOBODY), Some(NOBODY)).unwrap();
    place.write("main.toml", &CONFIG.replace("DIR/data", "DIR/closed/data"));
    let run = place.run_as(STRANGER, &["-c", "main.toml", "list"]);
    assert_eq!(run.status, Some(8), "{run}");
    assert!(run.stderr.contains("hint: sudo -u nobody pgcairn -c main.toml list"), "{run}");
}

#[test]
fn without_root_another_user_s_data_directory_is_refused() {
    if is_root() {
        return;
    }
    let place = Place::new();
    place.write("main.toml", &CONFIG.replace("DIR/data", "/"));
    assert_eq!(place.run(&["-c", "main.toml", "list"]).status, Some(8));
}

#[test]
fn root_becomes_the_owner_before_it_touches_the_repository() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    let closed = place.make_directory("closed");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    place.write("closed.toml", &CONFIG.replace("DIR/repository", "DIR/closed/repository"));
    let run = place.run(&["-c", "closed.toml", "list"]);
    assert_eq!(run.status, Some(8), "root itself could have looked: {run}");
}

#[test]
fn init_as_root_makes_the_repository_for_the_owner() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    let run = place.run(&["-c", "main.toml", "init"]);
    assert_eq!(run.status, Some(0), "{run}");
    let repository = place.path("repository");
    assert_eq!((fs::metadata(&repository).unwrap().uid(), mode(&repository)), (NOBODY, 0o750));
    assert_eq!(fs::metadata(repository.join("pgcairn.json")).unwrap().uid(), NOBODY);
    // PostgreSQL runs it elsewhere.
    assert!(run.stdout.contains(" -c DIR/main.toml wal push %p"), "{run}");
}

#[test]
fn an_empty_directory_of_root_is_handed_over_and_no_other() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    let repository = place.make_directory("repository");
    place.write("repository/note", "");
    assert_eq!(place.run(&["-c", "main.toml", "init"]).status, Some(8));
    assert_eq!(fs::metadata(&repository).unwrap().uid(), 0);
    fs::remove_file(repository.join("note")).unwrap();
    assert_eq!(place.run(&["-c", "main.toml", "init"]).status, Some(0));
    assert_eq!((fs::metadata(&repository).unwrap().uid(), mode(&repository)), (NOBODY, 0o750));
}

#[test]
fn an_init_that_is_refused_makes_nothing() {
    let place = Place::with_config();
    if is_root() {
        chown(place.path("data"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    place.write("main.toml", &CONFIG.replace("recipients", "# recipients"));
    assert_snapshot!(place.run(&["-c", "main.toml", "init"]));
    assert!(!place.path("repository").exists());
}

#[test]
fn a_plan_makes_no_directory() {
    if skipped() {
        return;
    }
    let place = place_of_nobody();
    place.run(&["-c", "main.toml", "restore", "--target-dir", "new", "--to", "latest", "--plan"]);
    assert!(!place.path("new").exists());
}
